//! What `weft status` says of tunnels whose other ends are not there. Needs root.

use crate::router::{Router, alone};

#[test]
fn names_that_do_not_resolve_and_tunnels_without_a_handshake_are_named_with_what_to_do() {
    alone(|| {
        let mut router = Router::new(3);
        router.rewrite(|text| {
            let endpoint = |text: String, site: &str, endpoint: &str| {
                let name = format!("name = \"{site}\"\n");
                text.replace(&name, &format!("{name}endpoint = \"{endpoint}\"\n"))
            };
            endpoint(endpoint(text, "s2", "vpn.invalid"), "s3", "198.51.100.77")
        });
        router.start_logging();
        router.await_tunnel();
        for words in [
            &[
                "wg-s2: the endpoint of s2, vpn.invalid, has not resolved for ",
                "the tunnel has no address to send to until s2 sends",
            ][..],
            &["wg-s2: tunnel to s2 is waiting: it has no address to send to", "UDP port 51822 here"],
            &[
                "wg-s3: tunnel to s3 is waiting: ",
                " octets were sent to 198.51.100.77:51821 and nothing came back",
                "`weft pubkey` there",
            ],
            &["wg-s4: tunnel to s4 is waiting: it has no address to send to"],
        ] {
            router.wait_for(&format!("a problem with {words:?}"), |router| {
                let status = router.status()?;
                let problems = status["problems"].as_array()?.iter().filter_map(serde_json::Value::as_str);
                problems.into_iter().find(|problem| words.iter().all(|word| problem.contains(word))).map(drop)
            });
        }
        assert_eq!(router.down(&[]).0, Some(0));
    });
}
