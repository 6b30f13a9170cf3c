//! Clients that do not ask or do not read, and a daemon that does not answer.

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::control::{ClientError, Noun, ask, socket_path};
use crate::mesh;

/// Octets of a part, and parts of the answer.
const PART: usize = 256 << 10;
const PARTS: usize = 400;

/// Answers `show` in many parts, and counts those that it has made.
async fn answer(mut questions: mpsc::Receiver<Asked>, made: Arc<AtomicUsize>) {
    while let Some(Asked { from, answer, .. }) = questions.recv().await {
        made.fetch_add(1, Ordering::Relaxed);
        let number = match from {
            Some(Cursor::Route(prefix)) => u32::from(prefix.v4().unwrap().0) as usize,
            _ => 0,
        };
        let rest = (number + 1 < PARTS).then(|| Cursor::Route(Prefix::new(Ipv4Addr::from(number as u32 + 1), 32)));
        let [open, close] = [if number == 0 { "[" } else { "," }, if rest.is_none() { "]" } else { "" }];
        let row = "x".repeat(PART);
        // A client that has gone misses nothing.
        let _ = answer.send(Ok(Part { json: format!("{open}\"{row}\"{close}"), rest }));
    }
}

fn routes() -> Request {
    Request::show(Noun::Routes)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_made_as_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, questions) = mpsc::channel(16);
    let made = Arc::new(AtomicUsize::new(0));
    let server = Server::start(&socket_path(dir.path()), sender, Arc::default()).unwrap();
    tokio::spawn(answer(questions, Arc::clone(&made)));
    let path = socket_path(dir.path());
    let idle: Vec<UnixStream> = (0..16)
        .map(|_| {
            let mut client = UnixStream::connect(&path).unwrap();
            client.write_all(b"{\"request\":\"show\",\"noun\":\"routes\"}\n").unwrap();
            client
        })
        .collect();
    let run_dir = dir.path().to_owned();
    let rows = tokio::task::spawn_blocking(move || ask::<Vec<String>>(&run_dir, routes())).await.unwrap().unwrap();
    assert_eq!((rows.len(), rows[PARTS - 1].len()), (PARTS, PART));
    // Of each of the others a part or two lie in the socket, and one waits.
    let of_idle = made.load(Ordering::Relaxed) - PARTS;
    assert!(of_idle <= 16 * 4, "{of_idle} parts were made for clients that do not read");
    drop(idle);
    server.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, questions) = mpsc::channel(16);
    let _server = Server::start(&socket_path(dir.path()), sender, Arc::default()).unwrap();
    tokio::spawn(answer(questions, Arc::default()));
    let mut client = UnixStream::connect(socket_path(dir.path())).unwrap();
    client.write_all(b"{\"request\":\"status\"}\n").unwrap();
    tokio::time::sleep(2 * Awaited::Reading.patience()).await;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < PARTS * PART, "the end of the stream comes before the end of the answer");
}

/// Asks for the status, and for how long that has taken.
async fn status(run_dir: &Path) -> (Result<String, ClientError>, Duration) {
    let run_dir = run_dir.to_owned();
    let begin = std::time::Instant::now();
    let answer = tokio::task::spawn_blocking(move || ask::<String>(&run_dir, Request::Status)).await.unwrap();
    (answer, begin.elapsed())
}

/// Answers nothing but the status, in a word.
async fn answer_status(mut questions: mpsc::Receiver<Asked>) {
    while let Some(Asked { request, from, answer }) = questions.recv().await {
        let whole = "\"good\"".to_owned();
        let _ = answer.send(Ok(match (request, from) {
            (Request::Status, _) => Part::whole(whole),
            // Its client reads nothing.
            (_, _) => Part { json: "x".repeat(PART), rest: Some(Cursor::Route(Prefix::new([0; 4], 0))) },
        }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_ask_nothing_make_room_and_one_that_has_asked_gets_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket_path(dir.path());
    let (sender, mut questions) = mpsc::channel(16);
    let _server = Server::start(&path, sender, Arc::default()).unwrap();
    let mut first = UnixStream::connect(&path).unwrap();
    first.write_all(b"{\"request\":\"reload\"}\n").unwrap();
    let asked = questions.recv().await.unwrap();
    // Twice as many as are served at once; some have begun a question.
    let connect = |number: usize| {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(if number.is_multiple_of(2) { b"" } else { b"{\"request\":" }).unwrap();
        client
    };
    let _idle: Vec<UnixStream> = (0..128).map(connect).collect();
    tokio::spawn(answer_status(questions));
    for _ in 0..3 {
        let (answer, took) = status(dir.path()).await;
        assert_eq!(answer.unwrap(), "good", "after {took:?}");
    }
    asked.answer.send(Ok(Part::whole("\"late\"".to_owned()))).unwrap();
    let mut line = String::new();
    first.read_to_string(&mut line).unwrap();
    assert!(line.contains("late"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_file_fits_into_a_request_and_what_is_longer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket_path(dir.path());
    let (sender, mut questions) = mpsc::channel(16);
    let _server = Server::start(&path, sender, Arc::default()).unwrap();
    tokio::spawn(async move {
        while let Some(Asked { request, answer, .. }) = questions.recv().await {
            let Request::Plan { text, .. } = request else { panic!("{request:?}") };
            let _ = answer.send(Ok(Part::whole(text.len().to_string())));
        }
    });
    // Characters of two octets, so that any place at which the line is cut may be within one.
    let file = "µ\n".repeat(mesh::MAX_FILE as usize / 3);
    for (text, odd) in [(file.clone(), ""), (file, "x")] {
        let (run_dir, text) = (dir.path().to_owned(), format!("{odd}{text}"));
        let expected = text.len();
        let request = Request::Plan { file: "mesh.toml".into(), text };
        let answer = tokio::task::spawn_blocking(move || ask::<usize>(&run_dir, request)).await.unwrap();
        assert_eq!(answer.unwrap(), expected);
    }
    let run_dir = dir.path().to_owned();
    let refused = tokio::task::spawn_blocking(move || {
        let mut client = UnixStream::connect(socket_path(&run_dir)).unwrap();
        // The server reads no more than it takes, and answers.
        let _ = client.write_all(&vec![b'x'; MAX_LONG_REQUEST]);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(refused.await.unwrap().contains("this one is longer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket_path(dir.path());
    let (sender, questions) = mpsc::channel(16);
    let _server = Server::start(&path, sender, Arc::default()).unwrap();
    tokio::spawn(answer_status(questions));
    let connect = |_| {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"{\"request\":\"show\",\"noun\":\"routes\"}\n").unwrap();
        client
    };
    let _deaf: Vec<UnixStream> = (0..64).map(connect).collect();
    let (answer, took) = status(dir.path()).await;
    assert_eq!(answer.unwrap(), "good", "after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_has_no_time_is_answered_for() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody takes questions.
    let (sender, _questions) = mpsc::channel(1);
    let activity = Arc::new(Activity::default());
    activity.begin("looking at the kernel");
    let _server = Server::start(&socket_path(dir.path()), sender, activity).unwrap();
    let run_dir = dir.path().to_owned();
    let begin = std::time::Instant::now();
    let answer = tokio::task::spawn_blocking(move || ask::<()>(&run_dir, Request::Status)).await.unwrap();
    let text = match answer {
        Err(ClientError::Refused(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(text.starts_with("busy, it has been looking at the kernel for "), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_server_removes_its_own_socket_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket_path(dir.path());
    let serve = || Server::start(&path, mpsc::channel(1).0, Arc::default()).unwrap();
    let first = serve();
    std::fs::remove_file(&path).unwrap();
    let second = serve();
    first.finish().await;
    assert!(UnixStream::connect(&path).is_ok(), "the second goes on");
    second.finish().await;
    assert!(!path.exists());
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_another_server_has_made_meanwhile_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket_path(dir.path());
    let serve = || Server::start(&path, mpsc::channel(1).0, Arc::default()).unwrap();
    let _first = serve();
    std::fs::remove_file(&path).unwrap();
    let second = serve();
    let present = inode(&path);
    tokio::time::sleep(3 * LOOK).await;
    assert_eq!(inode(&path), present, "both go on");
    second.finish().await;
    tokio::time::sleep(2 * LOOK).await;
    assert!(UnixStream::connect(&path).is_ok(), "the first comes back");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_somebody_removes_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket_path(dir.path());
    let _server = Server::start(&path, mpsc::channel(1).0, Arc::default()).unwrap();
    std::fs::remove_file(&path).unwrap();
    tokio::time::sleep(2 * LOOK).await;
    assert!(UnixStream::connect(&path).is_ok());
}
