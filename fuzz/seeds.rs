//! Writes the seeds of the corpus: packets and LSAs that routers of the topology cases sent, and octets to begin traces,
//! configurations and hostile wires from.
//!
//! `cargo run --bin seeds -- CORPUS CASE…`; the same cases give the same seeds.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use ospf::wire::{Packet, PacketBody};
use ospf_sim::{Prng, case_packets};

/// Seeds of traces, configurations and wires of both protocols, by their length in octets.
const LENGTHS: [usize; 10] = [8, 16, 32, 48, 64, 96, 128, 192, 256, 400];

/// LS types in the order in which the target `lsa` counts them.
const TYPES: [u8; 12] = [1, 2, 3, 4, 5, 7, 9, 10, 11, 6, 8, 200];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let corpus = arguments.next().ok_or("usage: seeds CORPUS CASE…")?;
    // One of each kind and length says as much as a hundred.
    let (mut packets, mut lsas) = (BTreeMap::new(), BTreeMap::new());
    for case in arguments {
        for bytes in case_packets(&case)? {
            let packet = Packet::decode(&bytes)?;
            if let PacketBody::LinkStateUpdate(update) = &packet.body {
                for lsa in update {
                    let header = lsa.header;
                    let kind = TYPES.iter().position(|&kind| kind == header.key.kind.0).ok_or("an LSA of another type")?;
                    let mut seed = u16::try_from(kind)?.to_be_bytes().to_vec();
                    seed.extend(header.key.id.0.to_be_bytes());
                    seed.extend(header.key.advertising_router.0.to_be_bytes());
                    seed.push(header.options.0);
                    seed.extend(header.sequence.0.to_be_bytes());
                    seed.extend(header.age.to_be_bytes());
                    seed.extend([0, 0]);
                    seed.extend(&lsa.body);
                    lsas.entry(format!("type{}-{}", header.key.kind.0, header.length)).or_insert(seed);
                }
            }
            // The first octet: nothing is to be made good.
            let seed = [&[0], &bytes[..]].concat();
            packets.entry(format!("type{}-{}", packet.body.kind(), bytes.len())).or_insert(seed);
        }
    }
    write(&corpus.join("packet"), packets)?;
    write(&corpus.join("lsa"), lsas)?;
    let mut prng = Prng::new(3);
    for target in ["trace", "config", "wire", "bfd"] {
        let seeds = LENGTHS.map(|length| {
            let octets: Vec<u8> = (0..length).map(|_| (prng.next_u64() >> 32) as u8).collect();
            (format!("octets-{length}"), octets)
        });
        write(&corpus.join(target), seeds.into())?;
    }
    Ok(())
}

fn write(directory: &Path, seeds: BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    seeds.iter().try_for_each(|(name, seed)| std::fs::write(directory.join(name), seed))
}
