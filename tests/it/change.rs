//! A mesh file that changes, a mesh that is renamed, and daemons that get in each other's way. Needs root.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;

use crate::router::{Router, alone, await_that, inhabitants, text, weft};

const SEGMENT: &str = "[[l2]]\nname = \"vms\"\nvni = 100\n[[l2.site]]\nname = \"here\"\n[[l2.site]]\nname = \"s2\"\n";

fn reload(router: &Router) -> (Option<i32>, String, String) {
    let output = weft(&["reload", "--run-dir", text(&router.run_dir)]);
    let [out, complaint] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, complaint)
}

/// What a command shows, in the namespaces of this thread.
fn shown(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The kernel's index of an interface.
fn index(interface: &str) -> String {
    let shown = shown(&format!("ip -o link show {interface}"));
    shown.split(':').next().unwrap().to_owned()
}

#[test]
fn reload_waits_until_the_file_is_in_force_and_says_why_one_is_refused() {
    alone(|| {
        let mut router = Router::new(1);
        assert_eq!(reload(&router).0, Some(1), "no daemon runs");
        router.start_logging();
        router.await_tunnel();
        router.rewrite(|mesh| {
            let public_key = weft::keys::PrivateKey::generate().public();
            format!("{mesh}[[site]]\nname = \"new\"\nid = 9\npublic_key = \"{public_key}\"\n")
        });
        let (code, out, complaint) = reload(&router);
        assert_eq!((code, complaint.as_str()), (Some(0), ""));
        assert_eq!(out, "acme: the mesh file is in force; sites: 3, tunnels of here: 2\n");
        let links = shown("ip -o link show up");
        assert!(links.contains("wg-new"), "it has waited: {links}");

        router.rewrite(|mesh| mesh.replace("id = 9", "id = 1"));
        let (code, out, complaint) = reload(&router);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(complaint.contains("refused") && complaint.contains("id"), "{complaint}");
        let links = shown("ip -o link show up");
        assert!(links.contains("wg-new"), "the old file is in force: {links}");
        assert!(router.problems().iter().any(|problem| problem.contains("mesh file")), "{:?}", router.problems());
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

#[test]
fn a_mesh_file_or_key_that_is_no_regular_file_any_more_is_refused_and_the_daemon_goes_on() {
    alone(|| {
        let mut router = Router::new(1);
        router.start_logging();
        router.await_tunnel();
        for path in [router.mesh_file(), router.mesh_file().with_file_name("site.key")] {
            let aside = path.with_extension("aside");
            fs::rename(&path, &aside).unwrap();
            nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
            let (code, _, complaint) = reload(&router);
            assert_eq!(code, Some(1), "{complaint}");
            let reason = format!("{}: it is a FIFO, not a regular file", text(&path));
            assert!(complaint.contains(&reason), "{complaint}");
            assert!(router.problems().iter().any(|problem| problem.contains(&reason)), "{:?}", router.problems());
            fs::rename(&aside, &path).unwrap();
            assert_eq!(reload(&router).0, Some(0));
        }
        assert_eq!(router.stop(), Some(0));
        fs::remove_file(router.mesh_file()).unwrap();
        nix::unistd::mkfifo(&router.mesh_file(), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let output = router.command(&router.run_dir).output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && complaint.contains("it is a FIFO"), "{complaint}");
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

#[test]
fn a_uapi_socket_that_somebody_removes_is_made_again_and_the_tunnel_stays() {
    alone(|| {
        let mut router = Router::new(1);
        router.start_logging();
        router.await_tunnel();
        let socket = Path::new("/run/wireguard/wg-s2.sock");
        for _ in 0..3 {
            fs::remove_file(socket).unwrap();
            let (code, _, complaint) = reload(&router);
            assert_eq!((code, complaint.as_str()), (Some(0), ""));
            router.wait_for("the socket", |_| socket.exists().then_some(()));
        }
        let problems = router.problems();
        assert!(!problems.iter().any(|problem| problem.contains("undoes")), "{problems:#?}");
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

#[test]
fn two_daemons_do_not_share_a_run_directory_nor_a_namespace() {
    alone(|| {
        let mut router = Router::new(1);
        router.start_logging();
        router.await_tunnel();
        let pid = router.pid();
        let socket = router.run_dir.join("control.sock");
        let refuses = |run_dir: &Path| {
            let output = router.command(run_dir).output().unwrap();
            let complaint = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{complaint}");
            assert!(complaint.contains(&format!("another weft daemon (pid {pid}: `")), "{complaint}");
            complaint
        };
        assert!(refuses(&router.run_dir).contains("another --run-dir"));
        assert!(refuses(Path::new("/run/other")).contains("network namespace"));
        // Without its socket it is still there, and not mistaken for one that has ended.
        fs::remove_file(&socket).unwrap();
        assert!(refuses(&router.run_dir).contains("another --run-dir"));
        router.wait_for("the control socket", |_| socket.exists().then_some(()));
        assert!(router.status().is_some());
        assert!(shown("ip -o link show up").contains("wg-s2"), "nothing was taken away");
        fs::remove_file(&socket).unwrap();
        assert_eq!(router.down(&[]).0, Some(0), "`weft down` waits for the socket");
        router.stopped();
        await_that("everything has ended", || inhabitants().is_empty());
        // What was claimed is free.
        router.start_logging();
        router.await_tunnel();
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

#[test]
fn a_restarted_daemon_leaves_the_ruleset_alone_unless_it_was_changed() {
    alone(|| {
        let mut router = Router::new(1);
        router.start_logging();
        router.await_tunnel();
        // Whoever is answered is answered after the kernel was reconciled.
        router.wait_for("an answer", Router::status);
        let tables = || shown("nft -a list tables");
        let before = tables();
        assert!(before.contains("weft-acme"), "{before}");
        for end in [Router::stop, |router: &mut Router| {
            router.crash();
            Some(0)
        }] {
            assert_eq!(end(&mut router), Some(0));
            router.start_logging();
            router.wait_for("an answer", Router::status);
            assert_eq!(tables(), before, "the tables are the same ones");
        }
        assert_eq!(router.stop(), Some(0));
        shown("nft add rule ip weft-acme forward accept");
        let accepts = || shown("nft list chain ip weft-acme forward").contains("\t\taccept");
        assert!(accepts(), "the rule is there");
        router.start_logging();
        router.wait_for("an answer", Router::status);
        assert!(!accepts(), "the ruleset is set again");
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

#[test]
fn a_mesh_that_is_renamed_takes_over_what_it_had_and_leaves_nothing_behind() {
    alone(|| {
        let mut router = Router::new(1);
        router.rewrite(|mesh| format!("{mesh}{SEGMENT}"));
        router.start_logging();
        router.await_tunnel();
        router.wait_for("the segment", |_| {
            let there = shown("ip -o link show").contains("br-vms");
            (there && shown("nft list tables").contains("weft-acme")).then_some(())
        });
        let before = index("wg-s2");
        assert_eq!(router.stop(), Some(0));
        router.rewrite(|mesh| mesh.replace("\"acme\"", "\"umbrella\"").replace(SEGMENT, ""));
        router.start_logging();
        router.wait_for("the mesh by its new name", |_| {
            let [links, tables] = ["ip -d -o link show", "nft list tables"].map(shown);
            let new = links.contains("weft:umbrella") && tables.contains("weft-umbrella");
            let old = links.contains("weft:acme") || links.contains("br-vms") || tables.contains("weft-acme");
            (new && !old).then_some(())
        });
        assert_eq!(index("wg-s2"), before, "the tunnel is the same");
        assert_eq!(router.down(&[]).0, Some(0));
        router.stopped();
        let [links, tables] = ["ip -d -o link show", "nft list tables"].map(shown);
        assert!(!links.contains("weft:") && !tables.contains("weft-"), "{links}{tables}");
    });
}

#[test]
fn weft_down_after_a_mesh_was_renamed_in_the_file_removes_what_the_daemon_made() {
    alone(|| {
        let mut router = Router::new(1);
        router.start_logging();
        router.await_tunnel();
        router.crash();
        router.rewrite(|mesh| mesh.replace("\"acme\"", "\"umbrella\""));
        let (code, complaint) = router.down(&[]);
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "the daemon's own file is what counts");
        let links = shown("ip -d -o link show");
        assert!(!links.contains("weft:"), "{links}");
    });
}
