//! A state file that a thread of its own writes: whoever changes it does not wait for the disk.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

use super::{StateFile, Written};

/// A file of which only the last content counts. What was given to [`DeferredFile::write`] is written before the value is dropped.
#[derive(Debug)]
pub struct DeferredFile {
    file: Arc<Mutex<StateFile>>,
    /// The thread that writes, from the first writing on.
    writer: Option<Writer>,
    /// The problems before the writing that is under way.
    problems: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Writer {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

/// Returns the content that is to be written.
type Content = Box<dyn FnOnce() -> Vec<u8> + Send>;

enum Job {
    Write(Content),
    /// Write what could not be written before.
    Retry,
}

impl DeferredFile {
    /// Defers the writing of `file`.
    pub fn new(file: StateFile) -> Self {
        Self { problems: Arc::new(Mutex::new(file.problems())), file: Arc::new(Mutex::new(file)), writer: None }
    }

    /// Replaces the content as soon as possible. Of several contents that wait for the disk, only the last one is made and written.
    pub fn write(&mut self, content: impl FnOnce() -> Vec<u8> + Send + 'static) {
        self.hand_over(Job::Write(Box::new(content)));
    }

    /// Writes the content that could not be written before, if there is any.
    pub fn retry(&mut self) {
        match self.writer {
            Some(_) => self.hand_over(Job::Retry),
            // Nothing was written yet, or it was written here.
            None => carry_out(&self.file, Job::Retry, &self.problems),
        }
    }

    /// The present problems with the file, for the operator; while it is being written, those from before.
    pub fn problems(&self) -> Vec<String> {
        match self.file.try_lock() {
            Ok(file) => file.problems(),
            Err(TryLockError::Poisoned(file)) => file.into_inner().problems(),
            Err(TryLockError::WouldBlock) => self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn hand_over(&mut self, job: Job) {
        if self.writer.is_none() {
            self.writer = self.start();
        }
        let refused = match &self.writer {
            Some(writer) => writer.jobs.send(job).err().map(|error| error.0),
            None => Some(job),
        };
        // Without a thread it is written here.
        if let Some(job) = refused {
            carry_out(&self.file, job, &self.problems);
        }
    }

    /// Starts the thread; `None` if the system has none left.
    fn start(&self) -> Option<Writer> {
        let (jobs, inbox) = mpsc::channel();
        let (file, problems) = (Arc::clone(&self.file), Arc::clone(&self.problems));
        let thread = thread::Builder::new().name("state-file".to_owned());
        let thread = thread.spawn(move || work(&inbox, &file, &problems)).ok()?;
        Some(Writer { jobs, thread })
    }
}

impl Drop for DeferredFile {
    fn drop(&mut self) {
        if let Some(Writer { jobs, thread }) = self.writer.take() {
            drop(jobs);
            // If it has panicked, that has been logged.
            let _ = thread.join();
        }
    }
}

/// Carries out jobs until nobody hands over any more.
fn work(inbox: &Receiver<Job>, file: &Mutex<StateFile>, problems: &Mutex<Vec<String>>) {
    while let Ok(mut job) = inbox.recv() {
        while let Ok(next) = inbox.try_recv() {
            // Whatever is written replaces what could not be written before.
            job = match (job, next) {
                (Job::Write(content), Job::Retry) => Job::Write(content),
                (_, next) => next,
            };
        }
        carry_out(file, job, problems);
    }
}

fn carry_out(file: &Mutex<StateFile>, job: Job, problems: &Mutex<Vec<String>>) {
    let content = match job {
        Job::Write(content) => Some(content()),
        Job::Retry => None,
    };
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    match content {
        // If this fails, the file keeps the content, and shows the reason as a problem.
        Some(content) => drop::<Written>(file.write(&content)),
        None => file.retry(),
    }
    *problems.lock().unwrap_or_else(PoisonError::into_inner) = file.problems();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use super::super::{Outlives, Purpose};
    use super::*;

    const PURPOSE: Purpose =
        Purpose { name: "note", limit: 16, outlives: Outlives::PowerCut, without: "the router forgets" };

    #[test]
    fn writing_waits_for_nothing_and_only_the_last_content_of_several_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = DeferredFile::new(StateFile::new(dir.path(), &PURPOSE));
        let (begun, has_begun) = channel();
        let (go, may_go) = channel::<()>();
        file.write(move || {
            begun.send(()).unwrap();
            may_go.recv().unwrap();
            b"first".to_vec()
        });
        has_begun.recv().unwrap();
        // The disk is busy.
        file.write(|| -> Vec<u8> { unreachable!("a later content replaces this one") });
        file.retry();
        file.write(|| b"third".to_vec());
        file.retry();
        assert_eq!(file.problems(), Vec::<String>::new());
        assert!(fs::read(dir.path().join("note")).is_err());
        go.send(()).unwrap();
        drop(file);
        assert_eq!(fs::read(dir.path().join("note")).unwrap(), b"third");
    }

    #[test]
    fn what_could_not_be_written_is_a_problem_until_it_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut file = DeferredFile::new(StateFile::new(&state, &PURPOSE));
        let (done, is_done) = channel();
        file.write(|| b"good".to_vec());
        // The thread has finished with the first content when it makes the second.
        file.write(move || {
            done.send(()).unwrap();
            b"good".to_vec()
        });
        is_done.recv().unwrap();
        let shown = loop {
            let problems = file.problems();
            if !problems.is_empty() {
                break problems;
            }
            thread::yield_now();
        };
        assert!(shown[0].contains("cannot be written") && shown[0].contains("the router forgets"), "{shown:?}");
        fs::create_dir(&state).unwrap();
        file.retry();
        drop(file);
        assert_eq!(fs::read(state.join("note")).unwrap(), b"good");
    }
}
