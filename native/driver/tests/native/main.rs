//! What the loader does to an image, seen from the code in it: small images of a few instructions, and the samples
//! that clang built.

#[allow(dead_code)]
#[path = "../../../pe/tests/builder/mod.rs"]
mod builder;
mod loading;
mod placing;
mod stack;
mod support;
