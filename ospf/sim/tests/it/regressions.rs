//! Runs that once failed, as command lines.

use clap::Parser;
use ospf_sim::{NetworkCommand, Recipe};

use crate::run;

/// What failed, and the runs in which it did.
const RUNS: &[(&str, &[&str])] = &[
    (
        "On perfect links: an external destination that stayed; ExStart on a LAN; routes that changed without a cause.",
        &[
            "ospf-sim random 10 --extra 1 --seed 900820 --faults 60 --fault-every 500 --bound 200",
            "ospf-sim areas 15 --seed 1501305 --faults 60 --fault-every 500 --bound 200",
            "ospf-sim areas 6 --seed 1500948 --faults 60 --fault-every 500 --bound 200",
        ],
    ),
    (
        "Where one packet in a hundred is lost: neighbours that stayed in Loading and ExStart, databases that stayed different.",
        &[
            "ospf-sim areas 9 --seed 939 --loss 0.01 --faults 60 --fault-every 500 --bound 200",
            "ospf-sim areas 9 --seed 975 --loss 0.01 --faults 60 --fault-every 500 --bound 200",
            "ospf-sim areas 9 --seed 999 --loss 0.01 --faults 60 --fault-every 500 --bound 200",
            "ospf-sim random 16 --extra 1 --seed 1126 --loss 0.01 --faults 60 --fault-every 500 --bound 200",
            "ospf-sim areas 15 --seed 500097 --loss 0.01 --faults 60 --fault-every 500 --bound 200",
            "ospf-sim areas 15 --seed 500745 --loss 0.01 --faults 60 --fault-every 500 --bound 200",
        ],
    ),
    (
        "Where packets are overtaken, or many are lost: one end in ExStart, the other in Exchange or Full.",
        &[
            "ospf-sim mesh 2 --seed 119 --reordering 0.2 --faults 8 --fault-every 700",
            "ospf-sim mesh 2 --seed 570 --reordering 0.2 --duplication 0.1 --faults 8 --fault-every 700",
            "ospf-sim mesh 3 --seed 503091 --loss 0.26 --faults 10 --fault-every 700 --bound 300",
        ],
    ),
    (
        "Two changed bits of a packet on a virtual link, which its checksum does not show.",
        &[
            "ospf-sim areas 6 --areas 1 --inside 3 --mixed --beyond --seed 3124576806 --corruption 0.03 --faults 8 --fault-every 300 --foreign 0,1,3,7,8,9,11 --bound 200",
        ],
    ),
    (
        "A copy of the master's first description emptied the slave's lists, and what it had flooded meanwhile was lost.",
        &[
            "ospf-sim areas 2 --areas 2 --inside 2 --first-area totally-stubby --mixed --seed 3278961862 --loss 0.14 --duplication 0.14 --reordering 0.13 --corruption 0.01 --delay 50 --jitter 0 --faults 60 --fault-every 3000 --key-every 60 --dead 21 --bound 200",
        ],
    ),
    (
        "A neighbour that waited for its turn to exchange was lost, and the timer that ends turns went on.",
        &[
            "ospf-sim mesh 11 --seed 3706266892 --loss 0.06 --duplication 0.04 --reordering 0.13 --delay 50 --faults 60 --fault-every 100 --dead 11 --bound 200",
            "ospf-sim mesh 14 --seed 3706300104 --chance 3 --delay 50 --faults 60 --fault-every 100 --absent 0,1,4,5 --key-every 10 --key-sequence extended --bound 200",
        ],
    ),
    (
        "Acknowledgements that were held back while their sender took an earlier instance from elsewhere ended flushes. In the first run \
         it describes that one, in the second it floods it; in the third an LSA at MaxAge overtook the first instance of it.",
        &[
            "ospf-sim random 40 --extra 1 --seed 415 --chance 174 --loss 0.02 --delay 50 --jitter 20 --faults 20 --restarts --changes --foreign 1,4,5,6,12,13,14,17,18,19,24,28,29,30,33,34,35 --bound 200",
            "ospf-sim areas 5 --areas 1 --inside 2 --first-area nssa --mixed --seed 3706267552 --chance 24 --duplication 0.12 --delay 1 --jitter 20 --faults 60 --fault-every 300 --changes --foreign 1,2 --gives-up early-arrivals,early-hellos,pacing,stale-descriptions,departed,doubted-floods,second-instance --bound 200",
            "ospf-sim areas 5 --areas 2 --inside 3 --first-area totally-stubby --seed 3706254587 --chance 24 --faults 60 --restarts --changes --foreign 1,2,3,7,8 --gives-up early-arrivals,backoff,pacing,stale-descriptions,silent-master,overtaken-updates,departed,own-instances,stray-acknowledgments,doubted-floods,second-instance --leave-broken --bound 200",
        ],
    ),
    (
        "Type-7 LSAs in an area that had become a normal one stayed at MaxAge, as nobody acknowledges them there.",
        &[
            "ospf-sim mesh 5 --seed 73104577 --loss 0.09 --duplication 0.07 --reordering 0.18 --jitter 0 --faults 40 --fault-every 700 --changes --dead 12 --bound 200",
            "ospf-sim random 14 --extra 0 --lans 2 --seed 73104169 --loss 0.01 --delay 50 --jitter 0 --faults 60 --fault-every 100 --changes --bound 200",
        ],
    ),
    (
        "Another router id within a graceful restart: routes that had not been told of were withdrawn.",
        &[
            "ospf-sim mesh 5 --seed 73110251 --loss 0.01 --jitter 0 --faults 20 --fault-every 100 --restarts --changes --bound 200",
        ],
    ),
    (
        "An LSA that came before MinLSArrival in one area was taken into another, to which the interface had moved.",
        &[
            "ospf-sim random 8 --extra 4 --lans 2 --seed 73110616 --duplication 0.13 --jitter 0 --faults 8 --fault-every 100 --changes --bound 200",
        ],
    ),
    (
        "Two translators of an NSSA, of which the reference network was looked at before the second one had stopped.",
        &[
            "ospf-sim areas 2 --areas 1 --inside 3 --first-area nssa --mixed --seed 73104041 --loss 0.14 --duplication 0.08 --reordering 0.03 --jitter 0 --dead 14 --bound 200",
        ],
    ),
    (
        "A LAN whose designated router the reference network had not elected yet.",
        &[
            "ospf-sim random 10 --extra 1 --lans 2 --seed 73104117 --loss 0.14 --duplication 0.13 --reordering 0.01 --corruption 0.01 --jitter 0 --faults 20 --fault-every 300 --changes --leave-broken --dead 15 --bound 200",
        ],
    ),
    (
        "What a border router had withdrawn came back from a part of the area, and a router took its neighbour's late acknowledgement for one of that.",
        &[
            "ospf-sim areas 5 --areas 1 --inside 3 --first-area nssa --mixed --seed 90001985 --faults 40 --fault-every 500 --changes --foreign 0,1,2,4,6 --bound 200",
            "ospf-sim areas 14 --areas 4 --inside 1 --mixed --seed 1795974327 --loss 0.06 --duplication 0.05 --reordering 0.17 --corruption 0.01 --delay 1 --faults 20 --fault-every 100 --changes --foreign 0,1,2,6,7,8,11,13,17 --dead 11 --bound 200",
        ],
    ),
    (
        "A router that does what the RFC says, and does not outbid what others flush of its LSAs once it has waited for MinLSInterval.",
        &[
            "ospf-sim areas 3 --areas 2 --inside 3 --first-area stub --seed 1798974468 --chance 3 --reordering 0.04 --delay 50 --faults 60 --fault-every 500 --foreign 0,2,8 --gives-up departed,own-instances --bound 200",
            "ospf-sim areas 6 --areas 2 --inside 1 --first-area totally-stubby --mixed --seed 1798971572 --delay 50 --faults 8 --fault-every 100 --foreign 0,2,3,4,5,6 --bound 200",
        ],
    ),
    (
        "An update of before an area changed its kind that came when the routers were adjacent again.",
        &[
            "ospf-sim areas 1 --areas 1 --inside 3 --first-area nssa --seed 1795968663 --reordering 0.1 --faults 8 --fault-every 500 --changes --bound 200",
            "ospf-sim areas 6 --areas 2 --inside 2 --seed 1795971256 --chance 3 --reordering 0.18 --jitter 0 --faults 20 --fault-every 500 --changes --absent 0,2,3,8,9 --dead 13 --bound 200",
        ],
    ),
    (
        "Two routers of other implementations between which an LSA at MaxAge overtook the former instance.",
        &[
            "ospf-sim areas 4 --areas 2 --inside 3 --beyond --seed 1798972429 --loss 0.09 --duplication 0.01 --reordering 0.19 --delay 1 --jitter 20 --faults 40 --fault-every 500 --foreign 1,2,5,6,9,12 --leave-broken --partition --key-every 10 --dead 21 --bound 200",
        ],
    ),
    (
        "A Network-LSA from under a former router id that its router took for another's, as it was not on that LAN when it learnt it, and did not flush when it was.",
        &[
            "ospf-sim random 7 --extra 4 --lans 1 --seed 1795991548 --loss 0.01 --faults 60 --fault-every 300 --changes --partition --bound 200",
            "ospf-sim areas 3 --areas 2 --inside 2 --mixed --seed 1796016244 --jitter 20 --faults 60 --fault-every 300 --changes --absent 0,1,3,5,6 --bound 200",
        ],
    ),
    (
        "A router that stopped for good within a graceful restart: its helper told of it to the end of the grace period, but was compared before.",
        &[
            "ospf-sim areas 4 --areas 1 --inside 1 --first-area nssa --seed 1795990892 --chance 3 --loss 0.03 --delay 1 --faults 40 --fault-every 300 --restarts --changes --absent 1 --leave-broken --bound 200",
        ],
    ),
    (
        "Hellos of a virtual link on a LAN that had become one of the backbone, for whose own they were taken.",
        &[
            "ospf-sim areas 2 --areas 2 --inside 1 --beyond --seed 1795997415 --loss 0.01 --jitter 20 --faults 60 --fault-every 700 --changes --bound 200",
            "ospf-sim areas 2 --areas 2 --inside 2 --beyond --seed 1795998151 --faults 60 --fault-every 500 --restarts --changes --leave-broken --bound 200",
            "ospf-sim areas 6 --areas 1 --inside 3 --beyond --seed 1815988437 --chance 3 --reordering 0.05 --delay 50 --jitter 0 --faults 40 --fault-every 500 --restarts --changes --absent 4,5,9,10,11 --dead 14 --bound 200",
            "ospf-sim areas 1 --areas 1 --inside 3 --beyond --seed 1796001035 --loss 0.01 --delay 1 --jitter 0 --faults 60 --fault-every 300 --changes --foreign 1,5 --key-every 10 --key-sequence strict --bound 200",
        ],
    ),
    (
        "A network whose databases agreed while a router still had to take an LSA at MaxAge that had come within MinLSArrival.",
        &[
            "ospf-sim areas 4 --areas 1 --inside 2 --first-area nssa --seed 1795999332 --delay 50 --faults 20 --fault-every 3000 --foreign 1,3,4,5 --bound 200",
        ],
    ),
    (
        "Two routers of other implementations, of which one acknowledged an instance a second after it had flushed it, and the other took that for an acknowledgement of the copy that it had got once more.",
        &[
            "ospf-sim areas 5 --areas 1 --inside 2 --seed 1865990991 --duplication 0.09 --delay 1 --faults 40 --fault-every 100 --foreign 2,4,5 --leave-broken --key-every 20 --key-sequence extended --bound 200",
        ],
    ),
    (
        "Packets that go round before an end of a virtual link, which takes a longer way of its own than is counted by those behind it.",
        &[
            "ospf-sim areas 7 --areas 2 --inside 1 --mixed --beyond --seed 1865991337 --jitter 20 --absent 2,4,5,6,8,9 --dead 21 --bound 200",
            "ospf-sim areas 7 --areas 2 --inside 1 --mixed --beyond --seed 1865991337 --jitter 20 --faults 40 --restarts --absent 4,5,8,9 --dead 21 --bound 200",
        ],
    ),
    (
        "A router that was given another id within a graceful restart: its helper refuses it to the end of the grace period.",
        &[
            "ospf-sim grid 2x2 --seed 1796019014 --chance 1 --jitter 20 --faults 60 --fault-every 3000 --restarts --changes --faults-only 1,3 --absent 0,2 --bound 200",
        ],
    ),
    (
        "A virtual link whose far end has its address on a LAN that the near end is cut off from.",
        &[
            "ospf-sim areas 1 --areas 2 --inside 3 --beyond --seed 73105264 --loss 0.14 --duplication 0.01 --reordering 0.1 --corruption 0.01 --jitter 0 --faults 8 --fault-every 500 --restarts --leave-broken --dead 15 --bound 200",
        ],
    ),
    (
        "Hellos of a virtual link on a point-to-point link that had become one of the backbone: the neighbour there was refused as a second speaker.",
        &[
            "ospf-sim areas 3 --areas 2 --inside 3 --beyond --seed 3706264100 --delay 50 --faults 40 --fault-every 300 --restarts --changes --absent 1,2,4,6,7,8,9,10,11 --bound 200",
            "ospf-sim areas 4 --areas 1 --inside 3 --beyond --seed 3706295509 --chance 3 --delay 50 --faults 60 --fault-every 700 --changes --absent 9 --bound 200",
        ],
    ),
    (
        "With RFC1583Compatibility, packets for destinations outside that go round, and ends of a virtual link beside a backbone in parts that do not come to rest.",
        &[
            "ospf-sim areas 4 --areas 1 --inside 2 --mixed --beyond --seed 3706266629 --delay 1 --faults 40 --fault-every 300 --changes --absent 0,2,6,7 --dead 11 --bound 200",
            "ospf-sim areas 3 --areas 1 --inside 2 --mixed --beyond --seed 3706231441 --faults 60 --fault-every 300 --changes --faults-only 46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87,88,89,90,91,92,93,94,95,96,97,98,99,100,101,102,103,104,105,106,107,108,109,110,111,112,113,114,115,116,117,118,119,120,121,122,123,124,125,126,127,128,129,130,131,132,133,134,135,136,137,138,139,140,141,142,143,144,145,146,147,148,149,150,151,152,153,154,155,156,157,158,159,160,161,162,163,164,165,166,167,168,169,170,171,172,173,174,175,176,177,178,179,180,181,182,183 --absent 4,5,6 --bound 200",
        ],
    ),
    (
        "Packets that go round in a transit area, whose routers have another border router no farther than the one to which a virtual link counts the backbone's costs.",
        &[
            "ospf-sim areas 8 --areas 4 --inside 2 --beyond --seed 3706319410 --jitter 20 --faults 60 --fault-every 300 --restarts --absent 10,11,12,13,14,15,16,17 --dead 12 --bound 200",
        ],
    ),
];

#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: NetworkCommand,
}

#[test]
fn every_run_that_once_failed_converges() {
    for (_, lines) in RUNS {
        for line in *lines {
            println!("{line}");
            let parsed = CommandLine::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
            run(&Recipe::from(parsed.command).scenario());
        }
    }
}
