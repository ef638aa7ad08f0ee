//! gatepost.toml: what tools and daemon agree on
