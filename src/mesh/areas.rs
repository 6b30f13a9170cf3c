//! Areas: one for the whole mesh, until routes between areas are built.

use super::diagnostic::Diagnostic;
use super::draft::AllSettled;
use super::ospf::Settled;
use super::reader::Report;

/// Reports every area that is not the one of `[ospf]`.
pub(super) fn check_areas(settled: &AllSettled, report: &mut Report) {
    let Some(base) = settled.base else { return };
    let rest = settled.links.iter().chain(settled.interfaces.iter().flatten());
    for Settled { settings, area_from } in rest.flatten() {
        let Some(span) = area_from.filter(|_| settings.area != base.settings.area) else { continue };
        let title = format!("a second area, {}, is not available in this version", settings.area);
        let mesh_area = base.settings.area;
        let diagnostic = Diagnostic::error(span, title, format!("the tunnels are in area {mesh_area}"));
        let diagnostic = match base.area_from {
            Some(base) => diagnostic.note(base, "the area of the mesh"),
            None => diagnostic,
        };
        report.push(diagnostic.help(format!("write `area = \"{mesh_area}\"`, or leave it out")));
    }
}
