//! The text of a mesh file that is named on the command line.

use std::io;
use std::path::Path;

use crate::input_file::Accept;
use crate::mesh::{self, LoadError};

/// Reads a mesh file; `-` is standard input. Returns its name, as messages give it, and its text.
pub(super) fn read(file: &Path) -> (String, Result<String, LoadError>) {
    if file == Path::new("-") {
        let name = "standard input".to_owned();
        let text = mesh::read_from(io::stdin().lock(), &name);
        return (name, text);
    }
    (file.display().to_string(), mesh::read(file, Accept::Any))
}
