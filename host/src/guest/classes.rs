//! Owns how a component says which classes of durable objects it has: their names, a line each, in a custom section of
//! its module. The SDK writes it; a worker in another language may.

use wasmparser::{Parser, Payload};

const SECTION: &str = "pairway:durable-objects";

/// The names of the classes; `None` if the component says nothing.
pub(super) fn read(component: &[u8]) -> Option<Vec<String>> {
    let mut names: Option<Vec<String>> = None;
    for payload in Parser::new(0).parse_all(component) {
        // What is wrong with a component was said when it was compiled.
        let Ok(Payload::CustomSection(section)) = payload else {
            continue;
        };
        if section.name() != SECTION {
            continue;
        }
        let text = String::from_utf8_lossy(section.data());
        names.get_or_insert_default().extend(
            text.lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned),
        );
    }
    names
}
