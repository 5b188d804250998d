//! A stand-in for Kong Gateway, judged by captures of the real one
