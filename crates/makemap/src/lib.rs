//! makemap: lookup maps from text
