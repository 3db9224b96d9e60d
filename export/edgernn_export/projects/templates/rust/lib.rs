//! $sentence
//!
//! ```
//! let mut stream = $module::Stream::new(); // one carried state
//! let mut answer = [0.0; $module::OUTPUTS];
//! stream.step(&[0$dot; $module::INPUTS], &mut answer).unwrap();
//! ```
//!
//! A stream belongs to one thread at a time: it may move to another, and is not shared. Neither of these compiles:
//!
//! ```compile_fail
//! let stream = $module::Stream::new();
//! std::thread::scope(|scope| { scope.spawn(|| stream.state()); });
//! ```
//!
//! ```compile_fail
//! let mut stream = $module::Stream::new();
//! let (one, other) = (&mut stream, &mut stream);
//! one.reset();
//! other.reset();
//! ```
#![no_std]
#![warn(missing_docs)]
#![allow(non_snake_case)] // names of the model

use core::{cell::Cell, ffi::c_char, ffi::c_int, ffi::CStr, fmt, marker::PhantomData, mem::MaybeUninit};

/// A number of a frame; those of answers are `f32`.
pub type Number = $number_type;
/// A number of a frame inside the step.
pub type RawInput = $raw_x_type;
/// A number of an answer inside the step.
pub type RawOutput = $raw_y_type;
/// All states, as [`STATES`] says.
pub type State = [$unit_type; CARRIED];

/// Numbers in a frame.
pub const INPUTS: usize = $inputs;
/// Numbers in an answer.
pub const OUTPUTS: usize = $outputs;
/// Elements of [`State`].
pub const CARRIED: usize = $carried;
/// A frame is an index below it; 0: a frame is numbers.
pub const SYMBOLS: i32 = $symbols;
/// The largest magnitude of a number in a frame.
pub const LIMIT: f64 = $limit;
/// Milliseconds between frames; 0: unknown.
pub const PERIOD_MS: f64 = $period_ms;
/// Frames that a step takes at once, oldest first.
pub const FRAMES_PER_STEP: usize = $frames_per_step;
/// Frames by which an answer is late.
pub const DELAY_FRAMES: usize = $delay_frames;
/// Frames before the first answer that counts.
pub const WARMUP_FRAMES: usize = $warmup_frames;

/// An input, output or state: `width` elements from `at` on, in bytes of a state. An integer `q` of the step stands for
/// `(q - zero) * scale`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug)]
pub struct Value {
    pub name: &'static str,
    pub at: usize,
    pub width: usize,
    pub bits: u32,
    pub scale: f64,
    pub zero: i32,
}

/// The parts of a frame.
pub const INPUT_VALUES: [Value; $input_count] = [$input_values];
/// The parts of an answer.
pub const OUTPUT_VALUES: [Value; $output_count] = [$output_values];
/// What is carried from step to step.
pub const STATES: [Value; $state_count] = [$state_values];
/// A name for each output, or none.
pub const LABELS: [&str; $label_count] = [$labels];

/// Why nothing was computed.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// This frame is not finite, beyond [`LIMIT`], or no index below [`SYMBOLS`]; the state is that before it.
    Refused { frame: usize },
    /// There are as many answers as frames, or nothing runs.
    Room { frames: usize, answers: usize },
    /// A state has numbers that no state holds; the stream is unchanged.
    State,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused { frame } => write!(f, "frame {frame} must not enter the state, which is that before it"),
            Error::Room { frames, answers } => write!(f, "room for {answers} answers arrived; expected {frames}"),
            Error::State => write!(f, "a state that is not finite, or too large, arrived"),
        }
    }
}

impl core::error::Error for Error {}

#[repr(C)]
#[derive(Clone)]
struct Memory {
$fields}

extern "C" {
    fn ${prefix}_size() -> usize;
    fn ${prefix}_reset(state: *mut Memory);
    fn ${prefix}_step(state: *mut Memory, x: *const RawInput, y: *mut RawOutput) -> c_int;
    fn ${prefix}_step_numbers(state: *mut Memory, x: *const Number, y: *mut f32) -> c_int;
    fn ${prefix}_run_numbers(state: *mut Memory, xs: *const Number, ys: *mut f32, steps: usize) -> usize;
    fn ${prefix}_prime(state: *const Memory, scratch: *mut Memory);
    fn ${prefix}_get(state: *const Memory, carried: *mut $unit_type);
    fn ${prefix}_restore(state: *mut Memory, carried: *const $unit_type) -> c_int;
    fn ${prefix}_about() -> *const c_char;
    fn ${prefix}_self_test() -> c_int;
}

/// One carried state. A clone is a stream of its own.
#[derive(Clone)]
pub struct Stream {
    memory: Memory,
    one_thread: PhantomData<Cell<()>>, // Send, and not Sync
}

impl Stream {
    /// A stream with the initial states.
    #[allow(clippy::new_without_default)] // a stream is large
    pub fn new() -> Self {
        let mut memory = MaybeUninit::<Memory>::uninit();
        // Safety: the C struct has these fields, and a reset writes every byte of it.
        unsafe {
            assert_eq!(${prefix}_size(), size_of::<Memory>(), "the C code is of another model");
            ${prefix}_reset(memory.as_mut_ptr());
            Stream { memory: memory.assume_init(), one_thread: PhantomData }
        }
    }

    /// Sets the initial states.
    pub fn reset(&mut self) {
        unsafe { ${prefix}_reset(&mut self.memory) }
    }

    /// One frame.
    pub fn step(&mut self, frame: &[Number; INPUTS], answer: &mut [f32; OUTPUTS]) -> Result<(), Error> {
        let refused = unsafe { ${prefix}_step_numbers(&mut self.memory, frame.as_ptr(), answer.as_mut_ptr()) };
        if refused == 0 { Ok(()) } else { Err(Error::Refused { frame: 0 }) }
    }

    /// One frame of what the step itself computes with: integers, where the model has them.
    pub fn step_raw(&mut self, frame: &[RawInput; INPUTS], answer: &mut [RawOutput; OUTPUTS]) -> Result<(), Error> {
        let refused = unsafe { ${prefix}_step(&mut self.memory, frame.as_ptr(), answer.as_mut_ptr()) };
        if refused == 0 { Ok(()) } else { Err(Error::Refused { frame: 0 }) }
    }

    /// Frames one after another, up to the first that is refused.
    pub fn run(&mut self, frames: &[[Number; INPUTS]], answers: &mut [[f32; OUTPUTS]]) -> Result<(), Error> {
        if frames.len() != answers.len() {
            return Err(Error::Room { frames: frames.len(), answers: answers.len() });
        }
        let (xs, ys) = (frames.as_ptr().cast(), answers.as_mut_ptr().cast());
        let frame = unsafe { ${prefix}_run_numbers(&mut self.memory, xs, ys, frames.len()) };
        if frame == frames.len() { Ok(()) } else { Err(Error::Refused { frame }) }
    }

    /// Loads code, weights and state into the caches, shortly before a frame is due. Only `scratch` changes.
    pub fn prime(&self, scratch: &mut Stream) {
        unsafe { ${prefix}_prime(&self.memory, &mut scratch.memory) }
    }

    /// A copy of all states.
    pub fn state(&self) -> State {
        let mut copy = [$unit_zero; CARRIED];
        unsafe { ${prefix}_get(&self.memory, copy.as_mut_ptr()) };
        copy
    }

    /// Goes on from a copy.
    pub fn set_state(&mut self, copy: &State) -> Result<(), Error> {
        let refused = unsafe { ${prefix}_restore(&mut self.memory, copy.as_ptr()) };
        if refused == 0 { Ok(()) } else { Err(Error::State) }
    }
}

/// The manifest of the model, as JSON.
pub fn manifest() -> &'static str {
    // Safety: the manifest is ASCII that ends in a zero, in read-only memory.
    unsafe { core::str::from_utf8_unchecked(CStr::from_ptr(${prefix}_about()).to_bytes()) }
}

/// Whether this build computes what the exporter did.
pub fn self_test() -> bool {
    unsafe { ${prefix}_self_test() == 0 }
}
