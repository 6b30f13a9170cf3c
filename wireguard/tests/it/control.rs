//! The daemon's side of the engine: interfaces come and go while others carry packets.

use std::fmt::Write as _;

use super::site::{ControlSocket, End, Site, await_ping, connect, two_sites, wait_until};

/// Says `lines` to the engine inside `site` and returns its answers.
fn say(site: &Site, lines: &[&str]) -> Vec<String> {
    let mut script = String::new();
    for line in lines {
        writeln!(script, "s.sendall(b'{line}\\n'); print(f.readline().strip())").unwrap();
    }
    site.write(
        "/run/say.py",
        &format!(
            "import socket\ns=socket.socket(socket.AF_UNIX); s.connect('/run/engine.sock'); f=s.makefile()\n{script}"
        ),
    );
    site.run("python3 /run/say.py").lines().map(str::to_owned).collect()
}

#[test]
fn interfaces_come_and_go_without_a_lost_packet_elsewhere() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&[], ControlSocket::Yes), b.engine(&["wg-a"], ControlSocket::No));
    wait_until("the engine listens", || a.try_run("test -S /run/engine.sock").is_some());
    let ok = r#"{"result":"ok"}"#;
    assert_eq!(say(&a, &[r#"{"command":"add","interface":"wg-b"}"#]), [ok]);
    let end_a = End { site: &a, interface: "wg-b", port: 51821, address: "10.0.0.1" };
    let end_b = End { site: &b, interface: "wg-a", port: 51822, address: "10.0.0.2" };
    connect(&end_a, &end_b, "192.0.2.2:51822");
    await_ping(&a, "10.0.0.2");

    let ping = a.spawn("exec ping -i 0.01 -c 300 -W 2 10.0.0.2");
    for _ in 0..10 {
        let answers = say(
            &a,
            &[
                r#"{"command":"add","interface":"wg-c"}"#,
                r#"{"command":"add","interface":"wg-c"}"#,
                r#"{"command":"add","interface":"wg-d"}"#,
                r#"{"command":"remove","interface":"wg-c"}"#,
                r#"{"command":"add","interface":"wg-c"}"#,
                r#"{"command":"remove","interface":"wg-c"}"#,
                r#"{"command":"remove","interface":"wg-c"}"#,
                r#"{"command":"remove","interface":"wg-d"}"#,
            ],
        );
        assert_eq!(answers, [ok; 8]);
    }
    let (_, text) = ping.end();
    assert!(text.contains("300 packets transmitted, 300 received"), "{text}");
    assert_eq!(a.run("ls /run/wireguard"), "wg-b.sock\n");
}

#[test]
fn a_deleted_link_frees_its_name_for_the_next_add() {
    let (a, _b) = two_sites();
    let _engine = a.engine(&["wg-1", "wg-2"], ControlSocket::Yes);
    for _ in 0..5 {
        a.run("ip link del wg-1");
        wait_until("the engine has noticed", || a.try_run("test -e /run/wireguard/wg-1.sock").is_none());
        assert_eq!(say(&a, &[r#"{"command":"add","interface":"wg-1"}"#]), [r#"{"result":"ok"}"#]);
        a.run("wg show wg-1 && wg show wg-2");
    }
}

#[test]
fn the_engine_outlives_its_last_interface_and_stops_when_told() {
    let (a, _b) = two_sites();
    let engine = a.engine(&["wg-1"], ControlSocket::Yes);
    let answers = say(&a, &[r#"{"command":"remove","interface":"wg-1"}"#, r#"{"command":"list"}"#]);
    assert!(answers[1].contains(r#""interfaces":[]"#) && answers[1].contains(r#""protocol":1"#), "{answers:?}");
    assert_eq!(say(&a, &[r#"{"command":"stop"}"#]), [""], "the end of the stream");
    assert!(a.try_run("test -e /run/engine.sock").is_none(), "gone before the stream ends");
    assert!(engine.end().0, "exit code 0");
}

#[test]
fn what_cannot_be_done_is_answered_with_the_reason() {
    let (a, _b) = two_sites();
    let _engine = a.engine(&["wg-1"], ControlSocket::Yes);
    let answers = say(
        &a,
        &[
            r#"{"command":"add","interface":"up0"}"#,
            r#"{"command":"add","interface":"../../etc"}"#,
            r#"{"command":"dance"}"#,
            "nonsense",
            r#"{"command":"list"}"#,
        ],
    );
    assert!(answers[0].contains("an interface of another kind has the name"), "{answers:?}");
    for answer in &answers[1..4] {
        assert!(answer.contains("not understood"), "{answers:?}");
    }
    assert!(answers[4].contains(r#""interfaces":["wg-1"]"#), "{answers:?}");
}
