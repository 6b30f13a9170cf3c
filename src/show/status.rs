//! `weft status` for a person.

use super::nouns;
use super::table::duration;
use crate::control::view::Status;

/// Problems first, then tunnels, neighbours and routes.
pub fn status(status: &Status) -> String {
    let mut text = format!(
        "{} in mesh {}, router id {}, weft {}, up {}\n",
        status.site,
        status.mesh,
        status.router_id,
        status.version,
        duration(status.uptime_s)
    );
    if status.problems.is_empty() {
        text.push_str("all is well\n");
    }
    if status.stub_router == "stub" {
        let left = status.stub_router_left_s.map_or_else(String::new, |left| format!(" for {}", duration(left)));
        text.push_str(&format!("stub router{left}: traffic between others goes another way\n"));
    }
    for problem in &status.problems {
        text.push_str(&format!("! {problem}\n"));
    }
    for (title, table, empty) in [
        ("tunnels", nouns::tunnels(&status.tunnels), status.tunnels.is_empty()),
        ("neighbors", nouns::neighbors(&status.neighbors), status.neighbors.is_empty()),
        ("routes", nouns::routes(&status.routes), status.routes.is_empty()),
    ] {
        let body = if empty { "none\n".to_owned() } else { table };
        text.push_str(&format!("\n{title}\n{body}"));
    }
    text
}
