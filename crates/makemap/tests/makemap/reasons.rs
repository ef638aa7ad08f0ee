//! Every difference on purpose is written down for the people who come from sendmail.

/// Fails unless the reason stands in the list of differences.
pub(crate) fn check(reason: &str) {
    let list = include_str!("../../DIFFERENCES.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(list.contains(reason), "not in DIFFERENCES.md: {reason}");
}
