use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// Compares all words of an enum with `expected`: in JSON, both ways, and in text; and tries a word that it does not know.
fn check<T>(all: &[T], unknown: T, expected: &[(T, &str)])
where
    T: Copy + PartialEq + Debug + Display + Serialize + DeserializeOwned,
{
    assert_eq!(all, expected.iter().map(|(variant, _)| *variant).collect::<Vec<_>>());
    for (variant, word) in expected {
        let json = format!("\"{word}\"");
        assert_eq!(serde_json::to_string(variant).unwrap(), json, "{variant:?}");
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *variant);
        assert_eq!(variant.to_string(), *word, "{variant:?}");
    }
    assert_eq!(serde_json::from_str::<T>("\"a word of a newer version\"").unwrap(), unknown);
    assert_eq!(unknown.to_string(), "?");
    assert_eq!(serde_json::to_string(&unknown).unwrap(), "\"?\"");
}

/// Checks all words of enums: each variant of each enum, in order.
macro_rules! check {
    ($($name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {
        $(check($name::ALL, $name::Unknown, &[$(($name::$variant, $word)),+]);)+
    };
}

#[test]
fn every_word_about_the_site_is_what_scripts_know() {
    check! {
        PrefixState {
            Carried = "carried",
            NeverCarried = "never-carried",
            Withdrawn = "withdrawn",
            Static = "static",
            DefaultOriginate = "default-originate",
        }
        AnswersBy { Uplink = "uplink", Mesh = "mesh" }
        SourceCheck { Strict = "strict", Off = "off" }
        FilterState { On = "on", Off = "off", Unused = "unused" }
        DropReason { Control = "control", Vxlan = "vxlan", Source = "source", Martian = "martian", Ipv6 = "ipv6" }
        TunnelBackend { Kernel = "kernel", Userspace = "userspace" }
        TunnelState {
            Up = "up",
            OneWay = "one-way",
            Idle = "idle",
            Waiting = "waiting",
            Stale = "stale",
            Missing = "missing",
            Silent = "silent",
        }
        StepPart { Ospf = "ospf", Kernel = "kernel" }
    }
}
