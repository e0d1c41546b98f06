use super::*;

/// A function of 16 bytes for each of `all`: what it calls, and what it takes the address of.
fn graph(all: &[(&[Index], &[Index])]) -> Graph {
    let function = |(number, (calls, takes)): (usize, &(&[Index], &[Index]))| Function {
        names: vec![format!("f{number}")],
        section: number,
        bytes: 16,
        calls: calls.iter().copied().collect(),
        takes: takes.iter().copied().collect(),
        ..Function::default()
    };
    Graph {
        functions: all.iter().enumerate().map(function).collect(),
        ..Graph::default()
    }
}

const ENTRY: Index = 0;
const LOOP: Index = 1;
const HANDLER: Index = 2;

/// Function 0 is where the machine begins, 1 its loop, and 2 the handler that is cut.
fn knowledge() -> Knowledge {
    Knowledge {
        entry: [ENTRY].into(),
        never: BTreeSet::new(),
        roots: [LOOP].into(),
        cut: [HANDLER].into(),
    }
}

#[test]
fn what_only_the_handler_needs_is_sealed_and_what_only_boot_needs_is_past() {
    let graph = graph(&[
        (&[LOOP, 3], &[]),
        (&[HANDLER, 4], &[]),
        (&[4, 5], &[]),
        (&[], &[]),
        (&[], &[]),
        (&[6], &[]),
        (&[], &[]),
    ]);
    let verdict = graph.judge(&knowledge());
    assert_eq!(verdict.stays, [LOOP, 4].into());
    assert_eq!(verdict.sealed, [HANDLER, 5, 6].into());
    assert_eq!(verdict.past, [ENTRY, 3].into());
}

#[test]
fn what_boot_has_taken_the_address_of_stays_with_all_that_it_needs() {
    let graph = graph(&[
        (&[LOOP], &[3]),
        (&[HANDLER], &[]),
        (&[4], &[]),
        (&[4], &[]),
        (&[], &[]),
    ]);
    let verdict = graph.judge(&knowledge());
    assert_eq!(verdict.stays, [LOOP, 3, 4].into());
    assert_eq!(verdict.sealed, [HANDLER].into());
}

#[test]
fn what_the_handler_has_taken_the_address_of_stays_but_not_what_it_calls() {
    let graph = graph(&[
        (&[LOOP], &[]),
        (&[HANDLER], &[]),
        (&[3], &[4]),
        (&[], &[]),
        (&[], &[]),
    ]);
    let verdict = graph.judge(&knowledge());
    assert_eq!(verdict.stays, [LOOP, 4].into());
    assert_eq!(verdict.sealed, [HANDLER, 3].into());
}

#[test]
fn what_data_refer_to_stays_with_all_that_it_needs() {
    let mut graph = graph(&[
        (&[LOOP], &[]),
        (&[HANDLER], &[]),
        (&[3, 4], &[]),
        (&[4], &[]),
        (&[], &[]),
    ]);
    graph.in_data.insert(3);
    assert_eq!(graph.judge(&knowledge()).stays, [LOOP, 3, 4].into());
}

#[test]
fn what_is_cut_does_not_stay_although_boot_has_its_address() {
    let graph = graph(&[(&[LOOP], &[HANDLER]), (&[], &[]), (&[], &[])]);
    assert_eq!(graph.judge(&knowledge()).sealed, [HANDLER].into());
}

#[test]
fn addresses_taken_by_what_never_runs_keep_nothing() {
    let graph = graph(&[
        (&[LOOP, 3], &[]),
        (&[HANDLER], &[]),
        (&[], &[]),
        (&[], &[4]),
        (&[], &[]),
    ]);
    let mut knowledge = knowledge();
    assert!(graph.judge(&knowledge).stays.contains(&4));
    knowledge.never.insert(3);
    assert_eq!(graph.judge(&knowledge).past, [ENTRY, 3, 4].into());
}

#[test]
fn functions_that_call_one_another_end() {
    let graph = graph(&[
        (&[LOOP], &[]),
        (&[HANDLER, LOOP], &[]),
        (&[HANDLER, 1], &[]),
    ]);
    assert_eq!(graph.judge(&knowledge()).stays, [LOOP].into());
}

#[test]
fn each_function_has_the_fate_of_its_set() {
    let graph = graph(&[(&[LOOP], &[]), (&[HANDLER], &[]), (&[], &[])]);
    let verdict = graph.judge(&knowledge());
    let fates = [ENTRY, LOOP, HANDLER].map(|index| verdict.fate(index));
    assert_eq!(fates, [Fate::Past, Fate::Stays, Fate::Sealed]);
    assert_eq!(graph.text_bytes(), 48);
    assert_eq!(graph.bytes(&verdict.stays), 16);
}

/// The data that are past, of five: function 3, which has run, refers to 0, 4, which will not, to 1
/// and both to 2; 3 refers to 4.
fn past_data(change: impl FnOnce(&mut Graph)) -> BTreeSet<DataIndex> {
    let mut graph = graph(&[
        (&[LOOP, 3], &[]),
        (&[HANDLER], &[]),
        (&[], &[]),
        (&[], &[]),
        (&[], &[]),
    ]);
    graph.data = vec![Data::default(); 5];
    graph.data[3].data.insert(4);
    graph.functions[3].data = [0, 2].into();
    graph.functions[4].data = [1, 2].into();
    change(&mut graph);
    graph.judge(&knowledge()).past_data
}

#[test]
fn data_are_past_that_only_what_never_runs_refers_to() {
    assert_eq!(past_data(|_| {}), [1, 3, 4].into());
}

#[test]
fn data_stay_that_other_such_data_or_writable_ones_refer_to() {
    let past = past_data(|graph| {
        graph.data[0].data.insert(3);
    });
    assert_eq!(past, [1].into());
    let past = past_data(|graph| graph.data[3].is_writable = true);
    assert_eq!(past, [1].into());
}

#[test]
fn data_stay_that_the_handler_refers_to() {
    let past = past_data(|graph| {
        graph.functions[HANDLER].data.insert(3);
    });
    assert_eq!(past, [1].into());
}

#[test]
fn a_jump_table_is_past_with_its_function() {
    let past = past_data(|graph| graph.data[0].jumps_of = Some(3));
    assert_eq!(past, [0, 1, 3, 4].into());
    let past = past_data(|graph| {
        graph.data[0].jumps_of = Some(3);
        graph.functions[LOOP].calls.insert(3);
    });
    assert_eq!(past, [1, 3, 4].into());
}

#[test]
fn what_formats_a_value_does_not_stay_although_boot_has_its_address() {
    let mut graph = graph(&[(&[LOOP], &[3]), (&[HANDLER], &[]), (&[], &[]), (&[], &[])]);
    graph.functions[3].is_format = true;
    assert_eq!(graph.judge(&knowledge()).past, [ENTRY, 3].into());
    graph.functions[LOOP].takes.insert(3);
    assert_eq!(graph.judge(&knowledge()).stays, [LOOP, 3].into());
    graph.functions[LOOP].takes.clear();
    graph.in_data.insert(3);
    assert_eq!(graph.judge(&knowledge()).stays, [LOOP, 3].into());
}

#[test]
fn what_only_formatting_needed_at_boot_is_past() {
    let past = past_data(|graph| graph.functions[3].is_format = true);
    assert_eq!(past, [0, 1, 2, 3, 4].into());
    let past = past_data(|graph| {
        graph.functions[4].is_format = true;
        graph.functions[ENTRY].calls = [LOOP, 4].into();
        graph.functions[4].calls.insert(3);
    });
    assert_eq!(past, [0, 1, 2, 3, 4].into());
}
