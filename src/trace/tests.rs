//! Two engines on a wire, one of them traced; and what a replay makes of the trace, whole, cut and changed.

use std::collections::VecDeque;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use ospf::{
    Addressing, AreaId, Authentication, Config, Engine, External, ExternalMetric, Input, Instant, InterfaceConfig,
    InterfaceId, Key, KeyAlgorithm, KeyChain, KeyId, Lifetime, LinkState, NeighborState, NetworkType, Output, Prefix,
    RouterId, Secret, SequenceCheck,
};

use super::line::FORMAT;
use super::*;

const WIRE: InterfaceId = InterfaceId(1);
const PASSWORD: &[u8] = b"open sesame";

fn address(router: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 0, router as u8)
}

fn config(router: u32, authentication: &Authentication) -> Config {
    let interface = InterfaceConfig {
        authentication: authentication.clone(),
        ..InterfaceConfig::new("wire", AreaId::BACKBONE, NetworkType::PointToPoint)
    };
    let mut config = Config::new(RouterId(router));
    config.interfaces.insert(WIRE, interface);
    let external = External { metric: ExternalMetric::Type2(5), forwarding: None, tag: 0 };
    config.externals.insert(Prefix::new(Ipv4Addr::new(10, router as u8, 0, 0), 16), external);
    config
}

/// The recorder as the driver uses it.
struct Traced {
    engine: Engine,
    recorder: Recorder,
}

impl Traced {
    fn new(path: &Path, limit: u64, config: Config) -> Self {
        let mut recorder = Recorder::create(path, limit, [9; 32], &config).unwrap();
        recorder.start("acme", "taipei", 42);
        Self { engine: Engine::new(config, 42, Instant::ZERO), recorder }
    }

    fn handle(&mut self, now: Instant, input: Input<'_>) -> Vec<Output> {
        self.recorder.input(now, &input);
        self.engine.handle(now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| self.engine.poll_output()).collect();
        outputs.iter().for_each(|output| self.recorder.output(output));
        self.recorder.flush();
        outputs
    }
}

/// A minute of two routers, the first traced: they become neighbours, exchange routes, and the second learns a new one.
fn minute(path: &Path, limit: u64, authentication: &Authentication) {
    let mut traced = Traced::new(path, limit, config(1, authentication));
    let mut other = Engine::new(config(2, authentication), 7, Instant::ZERO);
    let mut now = Instant::ZERO;
    let mut wire: VecDeque<(u32, Ipv4Addr, Vec<u8>)> = VecDeque::new();
    let up = |router| LinkState::Up { index: 3, mtu: 1500, addressing: Addressing::Unnumbered(address(router)) };
    let sent = |outputs: Vec<Output>, from: u32, wire: &mut VecDeque<_>| {
        for output in outputs {
            if let Output::Send { destination, packet, .. } = output {
                wire.push_back((from, destination, packet.to_vec()));
            }
        }
    };
    sent(traced.handle(now, Input::Link { interface: WIRE, state: up(1) }), 1, &mut wire);
    other.handle(now, Input::Link { interface: WIRE, state: up(2) });
    let end = Instant::new(Duration::from_secs(60));
    let mut reconfigured = false;
    while now < end {
        sent(std::iter::from_fn(|| other.poll_output()).collect(), 2, &mut wire);
        if let Some((from, destination, packet)) = wire.pop_front() {
            let input = Input::Packet {
                interface: WIRE,
                source: address(from),
                destination,
                ttl: 1,
                payload: (&packet[..]).into(),
            };
            match from {
                1 => other.handle(now, input),
                _ => sent(traced.handle(now, input), 1, &mut wire),
            }
            continue;
        }
        let deadlines = [traced.engine.next_deadline(), other.next_deadline()];
        now = deadlines.into_iter().flatten().map(|(at, _)| at).min().unwrap_or(end).min(end);
        sent(traced.handle(now, Input::Tick), 1, &mut wire);
        other.handle(now, Input::Tick);
        if now >= Instant::new(Duration::from_secs(40)) && !reconfigured {
            reconfigured = true;
            let mut config = config(1, authentication);
            config.externals.clear();
            sent(traced.handle(now, Input::Configure(config)), 1, &mut wire);
        }
    }
    assert!(traced.engine.neighbors().any(|neighbor| neighbor.state == NeighborState::Full));
    assert!(traced.engine.routes().any(|(prefix, _)| prefix.network() == Ipv4Addr::new(10, 2, 0, 0)));
}

fn hmac() -> Authentication {
    let (send, accept) = (Lifetime::ALWAYS, Lifetime::ALWAYS);
    let secret = Secret::new(PASSWORD.to_vec());
    let key = Key { id: KeyId(3), algorithm: KeyAlgorithm::HmacSha256, secret, send, accept };
    Authentication::Cryptographic(KeyChain::new(vec![key], SequenceCheck::Extended).unwrap())
}

fn replayed(text: &[u8]) -> Verdict {
    replay(text, |_, _| {}).unwrap()
}

#[test]
fn a_replay_of_a_trace_does_the_same_whatever_the_packets_were_signed_with() {
    let simple = Authentication::Simple(Secret::new(PASSWORD.to_vec()));
    for authentication in [Authentication::Null, simple, hmac()] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        minute(&path, DEFAULT_LIMIT, &authentication);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read(&path).unwrap();
        let verdict = replayed(&text);
        assert!(verdict.difference.is_none(), "{authentication:?}: {:?}", verdict.difference);
        assert_eq!((verdict.ending, verdict.start.site.as_str()), (Ending::Whole, "taipei"));
        assert!(verdict.inputs > 20 && verdict.outputs > 20, "{verdict:?}");

        let text = String::from_utf8(text).unwrap();
        let digits: String = PASSWORD.iter().map(|octet| format!("{octet:02x}")).collect();
        assert!(
            !text.contains(&digits[..16]) && !text.contains("sesame"),
            "{authentication:?}: a secret is in the trace"
        );
        let mut story = story::Story::default();
        let told: Vec<String> = text.lines().map(|line| story.describe(&serde_json::from_str(line).unwrap())).collect();
        assert!(told.iter().any(|line| line.contains("<- wire 10.255.0.2 to 224.0.0.5: 0.0.0.2 area 0.0.0.0 Hello")));
        assert!(told.iter().any(|line| line.contains("route 10.2.0.0/16: External2")), "{told:#?}");
    }
}

#[test]
fn what_an_engine_does_differently_is_shown_where_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace");
    minute(&path, DEFAULT_LIMIT, &Authentication::Null);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| line.contains("\"prefix\":\"10.2.0.0/16\"")).unwrap();

    // The traced engine had another metric.
    let changed = text.replacen("\"metric\":5", "\"metric\":6", 1);
    let difference = replayed(changed.as_bytes()).difference.unwrap();
    assert_eq!(difference.line, place as u64 + 1);
    assert!(matches!(difference.traced, Some(Outcome::Route { .. })), "{difference:?}");
    assert!(matches!(difference.before.last(), Some(Line::Input { .. } | Line::Output(_))), "{difference:?}");

    // It did not do it at all.
    let fewer: Vec<&str> = lines.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, line)| *line).collect();
    let difference = replayed(fewer.join("\n").as_bytes()).difference.unwrap();
    assert_eq!(difference.line, place as u64 + 1);
    assert!(matches!(difference.replayed, Replayed::Output(Outcome::Route { .. })), "{difference:?}");

    // It did it twice.
    let mut more = lines.clone();
    more.insert(place + 1, lines[place]);
    let difference = replayed(more.join("\n").as_bytes()).difference.unwrap();
    assert_eq!(difference.line, place as u64 + 2);
}

#[test]
fn a_trace_that_was_cut_or_is_full_is_replayed_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace");
    minute(&path, DEFAULT_LIMIT, &Authentication::Null);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|octet| *octet == b'\n').unwrap() + 1;
    for end in (first..whole.len()).step_by(997) {
        let verdict = replayed(&whole[..end]);
        assert!(verdict.difference.is_none(), "cut at {end}: {:?}", verdict.difference);
        // A line is whole also without what ends it.
        let is_whole = whole[end - 1] == b'\n' || whole[end] == b'\n';
        assert_eq!(verdict.ending == Ending::Whole, is_whole, "cut at {end}");
    }
    let limit = whole.len() as u64 / 2;
    minute(&path, limit, &Authentication::Null);
    let full = fs::read(&path).unwrap();
    assert!(full.len() as u64 <= limit + 20, "{} octets", full.len());
    let verdict = replayed(&full);
    assert_eq!((verdict.ending, verdict.difference.is_none()), (Ending::Limit, true));
    assert_eq!(fs::read(dir.path().join("trace.old")).unwrap(), whole, "the trace before is kept");
}

#[test]
fn what_is_no_trace_is_refused_with_the_line_that_is_not_one() {
    let refused = |text: &str| replay(text.as_bytes(), |_, _| {}).unwrap_err();
    assert!(matches!(refused(""), ReplayError::NoStart));
    assert!(matches!(refused("{\"end\":\"limit\"}\n"), ReplayError::NoStart));
    assert!(matches!(refused("[mesh]\n"), ReplayError::Line { line: 1, .. }));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace");
    let mut recorder = Recorder::create(&path, DEFAULT_LIMIT, [0; 32], &Config::new(RouterId(1))).unwrap();
    recorder.start("acme", "taipei", 1);
    let start = fs::read_to_string(&path).unwrap();
    assert!(matches!(refused(&format!("{start}tick\n")), ReplayError::Line { line: 2, .. }));
    let [present, later] = [FORMAT, FORMAT + 1].map(|format| format!("\"format\":{format}"));
    let later = start.replacen(&present, &later, 1);
    assert!(matches!(refused(&later), ReplayError::Format(format) if format == FORMAT + 1));
}
