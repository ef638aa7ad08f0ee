//! The bytes of map files: Berkeley DB hash and btree
