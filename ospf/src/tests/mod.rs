//! Engines against each other, in virtual time: what one file of the engine cannot show alone. Many and hostile links are `ospf-sim`'s.

mod adjacency;
mod areas;
mod authentication;
mod broadcast;
mod check;
mod configuration;
mod corner_cases;
mod exchange;
mod flooding;
mod graceful_restart;
mod hostile;
mod inter_area;
mod limits;
mod nonbroadcast;
mod opaque;
mod pacing;
mod partial;
mod progress;
mod reachability;
mod site_lsas;
mod slices;
mod speakers;
mod speed;
mod stub_router;
mod virtual_links;
mod world;
