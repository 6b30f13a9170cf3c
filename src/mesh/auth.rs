//! Reads `auth` and `auth_sequence`: how packets are authenticated, with which keys, and when. The keys themselves are in files, which
//! exist only on the routers that use them: no key file is opened here.

use std::fmt;
use std::time::{Duration, SystemTime};

use ::ospf::{KeyAlgorithm, KeyId, MAX_KEYS, SequenceCheck};
use toml::value::{Datetime, Offset};

use super::diagnostic::{Diagnostic, Span};
use super::reader::{At, Entry, Report, Setting, Table};
use super::schema::AUTH;

const EXAMPLE: &str = "auth = { type = \"hmac-sha-256\", key_id = 1, key_file = \"lan.key\" }";
const KEY_FILE: &str = "key_file = \"lan.key\"";
const MOMENT: &str = "send_from = \"2026-01-31T04:00:00Z\"";

/// How the packets of an interface are authenticated (RFC 2328 appendix D).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// Null authentication: packets are not authenticated.
    #[default]
    None,
    /// Simple password authentication: everybody on the link can read the password.
    Simple {
        /// The file with the password, relative to the mesh file.
        key_file: String,
    },
    /// Cryptographic authentication: packets carry digests.
    Keys {
        /// The keys, at least one, ordered by the time from which they are sent. No two have the same ID.
        keys: Vec<AuthKey>,
        /// Which sequence numbers are accepted as new.
        sequence: SequenceCheck,
    },
}

/// One key of a key chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthKey {
    /// Key ID, by which packets identify the key.
    pub id: KeyId,
    /// The algorithm that uses the key.
    pub algorithm: KeyAlgorithm,
    /// The file with the key, relative to the mesh file.
    pub key_file: String,
    /// The period in which packets are signed with the key.
    pub send: Validity,
    /// The period in which packets signed with the key are accepted; it includes all of `send`.
    pub accept: Validity,
}

/// A period of time; `None` = no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// The first moment of the period.
    pub from: Option<SystemTime>,
    /// The first moment after the period, later than `from`.
    pub until: Option<SystemTime>,
}

/// The keys for authentication of one section.
#[derive(Debug, Clone, Default)]
pub(super) struct AuthKeys {
    auth: Setting<Vec<At<Written>>>,
    sequence: Setting<SequenceCheck>,
}

/// One table of `auth` as read from the file.
#[derive(Debug, Clone)]
enum Written {
    None,
    Simple(String),
    Key(AuthKey),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    None,
    Simple,
    Key(KeyAlgorithm),
}

const TYPES: [(&str, Type); 7] = [
    ("none", Type::None),
    ("simple", Type::Simple),
    ("md5", Type::Key(KeyAlgorithm::Md5)),
    ("hmac-sha-1", Type::Key(KeyAlgorithm::HmacSha1)),
    ("hmac-sha-256", Type::Key(KeyAlgorithm::HmacSha256)),
    ("hmac-sha-384", Type::Key(KeyAlgorithm::HmacSha384)),
    ("hmac-sha-512", Type::Key(KeyAlgorithm::HmacSha512)),
];

impl AuthKeys {
    /// Reads `auth` and `auth_sequence` from `table`.
    pub fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        Self {
            auth: Setting::read(table.take("auth"), |entry| auth(&entry, report)),
            sequence: Setting::read(table.take("auth_sequence"), |entry| {
                let words = [
                    ("not-smaller", SequenceCheck::NotSmaller),
                    ("strict", SequenceCheck::Strict),
                    ("extended", SequenceCheck::Extended),
                ];
                entry.word(&words, report)
            }),
        }
    }

    /// Resolves these keys with the defaults from `base`. `None` if something is wrong, which has then been reported.
    pub fn resolve(&self, base: &Self, report: &mut Report) -> Option<Auth> {
        let written = self.auth.clone().or(base.auth.clone()).effective(Vec::new())?.value;
        let sequence = self.sequence.or(base.sequence).effective(SequenceCheck::default())?;
        let mut keys = Vec::new();
        for at in written {
            match at.value {
                Written::None => return Some(Auth::None),
                Written::Simple(key_file) => return Some(Auth::Simple { key_file }),
                Written::Key(key) => {
                    if key.algorithm == KeyAlgorithm::Md5 && sequence.value == SequenceCheck::Extended {
                        // If both are inherited, the error has been reported where they stand.
                        if let Some(own) =
                            self.auth.given().map(|_| at.span).or(self.sequence.given().map(|at| at.span))
                        {
                            report.push(extended_md5(own, at.span, sequence.from));
                        }
                        return None;
                    }
                    keys.push(key);
                }
            }
        }
        if keys.is_empty() {
            return Some(Auth::None);
        }
        keys.sort_by_key(|key| key.send.from);
        Some(Auth::Keys { keys, sequence: sequence.value })
    }
}

/// Reads `auth`: one table, or an array of tables, which is a key chain.
fn auth(entry: &Entry<'_>, report: &mut Report) -> Option<At<Vec<At<Written>>>> {
    if entry.value.is_table() {
        let table = entry.inline(&AUTH, EXAMPLE, report)?;
        return Some(At { value: vec![one(table, report)?], span: entry.span });
    }
    if !entry.value.is_array() {
        report.push(entry.wrong_type("a table in braces, or an array of such", EXAMPLE));
        return None;
    }
    let elements = entry.elements(EXAMPLE, report)?;
    if elements.is_empty() || elements.len() > MAX_KEYS {
        let title = format!("a key chain of {} keys", elements.len());
        let help = format!("write 1 to {MAX_KEYS} keys, or `auth = {{ type = \"none\" }}`");
        report.push(Diagnostic::error(entry.span, title, "packets could not be signed").help(help));
        return None;
    }
    let tables: Vec<_> = elements.iter().map(|element| element.inline(&AUTH, EXAMPLE, report)).collect();
    let written: Vec<_> = tables.into_iter().map(|table| one(table?, report)).collect();
    let chain: Vec<At<Written>> = written.into_iter().collect::<Option<_>>()?;
    check_chain(&chain, report).then_some(At { value: chain, span: entry.span })
}

/// Reports tables of a key chain that are not keys, or whose key ID is not unique. Returns whether there are none.
fn check_chain(chain: &[At<Written>], report: &mut Report) -> bool {
    let mut seen: Vec<(KeyId, Span)> = Vec::new();
    for at in chain {
        let Written::Key(AuthKey { id, .. }) = at.value else {
            report.push(
                Diagnostic::error(at.span, "a key chain with something that is no key", "has no `key_id`")
                    .help("write one table instead of the array, or keys only"),
            );
            return false;
        };
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == id) {
            report.push(
                Diagnostic::error(at.span, format!("two keys with id {id}"), "again")
                    .note(*first, "first here")
                    .help("packets name the key by its id: give each its own"),
            );
            return false;
        }
        seen.push((id, at.span));
    }
    true
}

fn one(mut table: Table<'_>, report: &mut Report) -> Option<At<Written>> {
    let span = table.span;
    let kind = table.require("type", "type = \"hmac-sha-256\"", report).and_then(|entry| entry.word(&TYPES, report));
    let id = table.take("key_id");
    let key_file = table.take("key_file");
    let mut moment = |key| Setting::read(table.take(key), |entry| moment(&entry, report));
    let moments = [moment("send_from"), moment("send_until"), moment("accept_from"), moment("accept_until")];
    table.finish(report);
    let kind = kind?;
    let written = match kind.value {
        Type::None => {
            refuse(&[id.map(|e| e.key_span), key_file.map(|e| e.key_span)], &moments, kind, report)?;
            Written::None
        }
        Type::Simple => {
            refuse(&[id.map(|e| e.key_span)], &moments, kind, report)?;
            Written::Simple(file(key_file, span, report)?)
        }
        Type::Key(algorithm) => {
            let id = match id {
                Some(entry) => {
                    entry.number(1..=u8::MAX, "a key id is a number in 1..=255 that both ends give the key", report)
                }
                None => {
                    report.push(
                        Diagnostic::error(span, "a key without `key_id`", "`key_id` is missing in here")
                            .help("add `key_id = 1`: both ends give the key the same number")
                            .of_absence(),
                    );
                    None
                }
            };
            let key_file = file(key_file, span, report);
            let [send_from, send_until, accept_from, accept_until] = moments.map(|moment| moment.effective_option());
            let send = validity("send", send_from?, send_until?, report);
            let accept = validity("accept", accept_from?, accept_until?, report);
            let (id, key_file, send, accept) = (id?, key_file?, send?, accept?);
            check_accepted(&moments, send, accept, report)?;
            Written::Key(AuthKey { id: KeyId(id.value), algorithm, key_file, send, accept })
        }
    };
    Some(At { value: written, span })
}

/// Reports the first TOML key that has no meaning with this type of authentication; `None` if it has reported one.
fn refuse(spans: &[Option<Span>], moments: &[Setting<SystemTime>], kind: At<Type>, report: &mut Report) -> Option<()> {
    let of_moments = moments.iter().filter_map(|moment| moment.given().map(|at| at.span));
    let span = spans.iter().copied().flatten().chain(of_moments).next();
    let Some(span) = span else { return Some(()) };
    let title = format!("of no meaning with `type = \"{}\"`", kind.value);
    report.push(Diagnostic::error(span, title, "not used").note(kind.span, "the type").help("leave it out"));
    None
}

fn file(entry: Option<Entry<'_>>, span: Span, report: &mut Report) -> Option<String> {
    let Some(entry) = entry else {
        report.push(
            Diagnostic::error(span, "authentication without `key_file`", "`key_file` is missing in here")
                .help(format!(
                    "add `{KEY_FILE}`: a file with mode 0600, beside the mesh file on each router that uses it"
                ))
                .of_absence(),
        );
        return None;
    };
    entry.file(KEY_FILE, report).map(|path| path.value.to_owned())
}

fn validity(
    what: &str,
    from: Option<At<SystemTime>>,
    until: Option<At<SystemTime>>,
    report: &mut Report,
) -> Option<Validity> {
    if let (Some(from), Some(until)) = (from, until)
        && until.value <= from.value
    {
        let title = format!("`{what}_until` is not after `{what}_from`");
        report.push(
            Diagnostic::error(until.span, title, "the key would never be in use")
                .note(from.span, "it begins here")
                .help("write a later time"),
        );
        return None;
    }
    Some(Validity { from: from.map(|at| at.value), until: until.map(|at| at.value) })
}

/// Checks that a key is accepted whenever it is sent. All routers read the same file, so others have to accept what one sends.
fn check_accepted(
    moments: &[Setting<SystemTime>; 4],
    send: Validity,
    accept: Validity,
    report: &mut Report,
) -> Option<()> {
    let [_, _, accept_from, accept_until] = moments;
    let late = accept.from.is_some_and(|from| send.from.is_none_or(|send| send < from)).then_some(accept_from);
    let early = accept.until.is_some_and(|until| send.until.is_none_or(|send| send > until)).then_some(accept_until);
    let Some(at) = late.or(early).and_then(Setting::given) else { return Some(()) };
    report.push(
        Diagnostic::error(at.span, "a key is sent while it is not accepted", "packets would be refused")
            .help("accept it from before `send_from` until after `send_until`: clocks differ"),
    );
    None
}

fn extended_md5(own: Span, key: Span, sequence: Option<Span>) -> Diagnostic {
    let title = "keyed MD5 has no extended sequence numbers";
    let mut diagnostic = Diagnostic::error(own, title, "RFC 7474 defines them for HMAC only");
    for (span, what) in [(Some(key), "an MD5 key"), (sequence, "extended sequence numbers")] {
        if let Some(span) = span.filter(|span| *span != own) {
            diagnostic = diagnostic.note(span, what);
        }
    }
    diagnostic.help("write `type = \"hmac-sha-256\"`, or `auth_sequence = \"strict\"`")
}

/// Reads an RFC 3339 date-time, as a string or as a TOML date-time.
fn moment(entry: &Entry<'_>, report: &mut Report) -> Option<At<SystemTime>> {
    let example = MOMENT.replace("send_from", entry.key);
    let datetime = match entry.value.as_datetime() {
        Some(datetime) => Some(*datetime),
        None => entry.string(&example, report)?.value.parse().ok(),
    };
    let time = datetime.and_then(|datetime| system_time(&datetime));
    if time.is_none() {
        report.push(
            Diagnostic::error(entry.span, format!("`{}` is not a moment", entry.key), "not date, time and offset")
                .help(format!("write `{example}`")),
        );
    }
    Some(At { value: time?, span: entry.span })
}

/// Converts a date-time; `None` if date, time or offset is missing, or if it is before 1970.
fn system_time(datetime: &Datetime) -> Option<SystemTime> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let minutes_east = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds_of_day =
        i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or_default());
    let seconds = days_since_1970(date.year.into(), date.month.into(), date.day.into()) * 86_400 + seconds_of_day;
    let seconds = u64::try_from(seconds - minutes_east * 60).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The number of days from 1 January 1970 in the Gregorian calendar. Years are counted from March, so that a leap day is the last day of
/// a year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9) % 12;
    let year = if month <= 2 { year - 1 } else { year };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    // 719468 days lie between 1 March of year 0 and 1 January 1970.
    year * 365 + leap_days + day_of_year - 719_468
}

impl Setting<SystemTime> {
    /// Like [`Setting::effective`] for a setting whose absence is a value, with its position. The outer `None` means that it is wrong.
    fn effective_option(self) -> Option<Option<At<SystemTime>>> {
        match self {
            Self::Absent => Some(None),
            Self::Wrong => None,
            Self::Given(at) => Some(Some(at)),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = TYPES.iter().find(|(_, kind)| kind == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> Option<u64> {
        let time = system_time(&text.parse().ok()?)?;
        Some(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn moments_are_those_that_date_prints() {
        // `date -u -d TEXT +%s`
        assert_eq!(unix("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix("2000-02-29T23:59:59Z"), Some(951_868_799));
        assert_eq!(unix("2000-03-01T00:00:00Z"), Some(951_868_800));
        assert_eq!(unix("2026-11-22T04:30:56+01:00"), Some(1_795_318_256));
        assert_eq!(unix("2100-03-01T00:00:00-05:30"), Some(4_107_562_200));
        assert_eq!(unix("1969-12-31T23:59:59Z"), None);
        assert_eq!(unix("2026-11-22T04:30:56"), None, "whose clock?");
        assert_eq!(unix("2026-11-22"), None);
    }
}
