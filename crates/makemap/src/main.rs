//! makemap: lookup maps from text
fn main() {}
