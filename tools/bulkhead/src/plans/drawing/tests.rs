use std::path::Path;

use plan::source::load;
use proptest::prelude::*;

use super::*;

fn drawing(name: &str) -> Drawing {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/plans/good")
        .join(name);
    Drawing::new(name.to_owned(), &load(&file).unwrap().plan)
}

/// The document with its elements' tags in order; panics if one is not closed.
fn tags(svg: &str) -> Vec<String> {
    let mut open = Vec::new();
    let mut all = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else {
            all.push(name.to_owned());
            if !tag.ends_with('/') {
                open.push(name.to_owned());
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    all
}

#[test]
fn the_terminal_has_a_mark_for_everything() {
    assert_eq!(
        text::draw(&drawing("example.toml")),
        "example.toml

cores      #ABB
memory     .................AAAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBB....  from 0x1000000
           (a mark is about 29 MiB)
functions  02:00.0 . AB..

   OWNER     CORES       MEMORY  FUNCTIONS
#  Bulkhead  core 0
A  alpha     core 1     640 MiB  VF 1 of 02:00.0 with namespace 2
B  beta      cores 2-3  640 MiB  VF 2 of 02:00.0 with namespace 3
.  nobody               620 MiB  02:00.0, VFs 3-4 of 02:00.0

Bulkhead's own memory comes from nobody's."
    );
}

#[test]
fn rights_are_told_in_words() {
    let drawing = drawing("delegated.toml");
    let text = text::draw(&drawing);
    let rights = "rights     operator sees operator and vault, controls worker
           vault sees vault

";
    assert!(text.contains(rights), "{text}");
    assert!(!super::text::draw(&self::drawing("example.toml")).contains("rights"));
    let svg = svg::draw(&drawing);
    assert!(svg.contains("core 1; 64 MiB; sees operator and vault, controls worker<"));
    let json: serde_json::Value = serde_json::from_str(&json::draw(&drawing)).unwrap();
    let expected = serde_json::json!([
        { "partition": "operator", "may_see": ["operator", "vault"], "may_control": ["worker"] },
        { "partition": "vault", "may_see": ["vault"], "may_control": [] },
    ]);
    assert_eq!(json["rights"], expected);
}

#[test]
fn memory_is_cut_at_holes_and_at_owners() {
    let drawing = drawing("memory-in-pieces.toml");
    let pieces = drawing.memory.iter().map(|bank| {
        let pieces = bank.pieces.iter();
        let pieces = pieces.map(|one| (one.start.as_u64() >> 20, one.bytes >> 20, one.owner));
        pieces.collect::<Vec<_>>()
    });
    let pieces: Vec<_> = pieces.collect();
    let (nobody, first) = (Owner::Nobody, Owner::Partition(0));
    assert_eq!(
        pieces,
        [
            vec![(16, 104, nobody), (120, 16, first), (136, 120, nobody)],
            vec![(4096, 512, first), (4608, 512, nobody)],
        ]
    );
}

#[test]
fn a_function_and_its_virtual_functions_have_their_own_owners() {
    let drawing = drawing("example.toml");
    let device = &drawing.functions[0];
    let nobody = Owner::Nobody;
    assert_eq!(device.owner, nobody);
    let owners: Vec<_> = device
        .virtual_functions
        .iter()
        .map(|one| one.owner)
        .collect();
    let (alpha, beta) = (Owner::Partition(0), Owner::Partition(1));
    assert_eq!(owners, [alpha, beta, nobody, nobody]);
}

#[test]
fn the_picture_has_a_box_for_everything() {
    let svg = svg::draw(&drawing("example.toml"));
    let boxes = tags(&svg).iter().filter(|tag| *tag == "rect").count();
    // Cores, pieces of memory, functions, and the legend.
    assert_eq!(boxes, 4 + 4 + 5 + 4);
    for text in [
        ">alpha</text>",
        ">VF 1, ns 2</text>",
        ">0x20000000</text>",
        ">640 MiB</text>",
    ] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn every_good_plan_can_be_drawn() {
    for name in ["memory-in-pieces", "whole-function", "without-iommu"] {
        let drawing = drawing(&format!("{name}.toml"));
        tags(&svg::draw(&drawing));
        text::draw(&drawing);
        serde_json::from_str::<serde_json::Value>(&json::draw(&drawing)).unwrap();
    }
}

#[test]
fn the_picture_in_the_documents_is_this_one() {
    let committed = include_str!("../../../example.svg");
    let mut drawing = drawing("example.toml");
    drawing.title = "tests/plans/good/example.toml".to_owned();
    assert!(
        svg::draw(&drawing) == committed,
        "draw tools/bulkhead/example.svg again"
    );
}

#[test]
fn what_means_something_in_xml_is_escaped() {
    let mut drawing = drawing("without-iommu.toml");
    drawing.title = "<a> & \"b\"".to_owned();
    let svg = svg::draw(&drawing);
    assert!(
        svg.contains(">&lt;a&gt; &amp; &quot;b&quot;</text>"),
        "{svg}"
    );
}

proptest! {
    #[test]
    fn any_title_is_text_in_the_picture(title in any::<String>()) {
        let mut drawing = drawing("without-iommu.toml");
        drawing.title = title;
        let svg = svg::draw(&drawing);
        let count = |name: &str| tags(&svg).iter().filter(|tag| *tag == name).count();
        prop_assert_eq!(count("title"), count("rect").saturating_add(1));
        prop_assert!(!svg.chars().any(|one| one.is_control() && one != '\n'));
    }
}
