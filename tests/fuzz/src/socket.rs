//! Mirrors `host/src/socket`: frames and their compression.

#[path = "../../../host/src/socket/assembly.rs"]
pub(crate) mod assembly;
#[path = "../../../host/src/socket/codec.rs"]
pub(crate) mod codec;
#[path = "../../../host/src/socket/decode.rs"]
pub(crate) mod decode;
#[path = "../../../host/src/socket/deflate/mod.rs"]
pub(crate) mod deflate;
#[path = "../../../host/src/socket/message.rs"]
pub(crate) mod message;
#[path = "../../../host/src/socket/violation.rs"]
pub(crate) mod violation;
