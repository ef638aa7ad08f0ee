//! saslpasswd and sasldblistusers: users' secrets, by hand and in bulk
