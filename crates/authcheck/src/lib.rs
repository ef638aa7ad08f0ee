//! authcheck: is every file safe, and what is in the store?
