//! Replays golden.bin: frames, and the answers that they had where the model was exported.
use $module::{Error, Number, Stream, CARRIED, INPUTS, OUTPUTS, STATES, SYMBOLS};

const STEPS: usize = $golden_steps;
const ERROR: f64 = $golden_error; // the largest difference that another machine may show

fn golden() -> (Vec<[Number; INPUTS]>, Vec<[f32; OUTPUTS]>) {
    let words: Vec<[u8; 4]> =
        include_bytes!("../golden.bin").chunks_exact(4).map(|bytes| bytes.try_into().unwrap()).collect();
    assert_eq!(words.len(), STEPS * (INPUTS + OUTPUTS));
    let (xs, ys) = words.split_at(STEPS * INPUTS);
    let frame = |x: &[[u8; 4]]| core::array::from_fn(|i| Number::from_le_bytes(x[i]));
    let answer = |y: &[[u8; 4]]| core::array::from_fn(|i| f32::from_le_bytes(y[i]));
    (xs.chunks_exact(INPUTS).map(frame).collect(), ys.chunks_exact(OUTPUTS).map(answer).collect())
}

#[test]
fn it_tests_itself() {
    assert!($module::self_test());
    assert!($module::manifest().contains("edgernn.graph"));
}

#[test]
fn answers_are_those_of_the_exporter() {
    let (frames, expected) = golden();
    let mut stream = Stream::new();
    let mut answers = Vec::new();
    for frame in &frames {
        let mut answer = [0.0; OUTPUTS];
        stream.step(frame, &mut answer).unwrap();
        answers.push(answer);
    }
    for (t, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
        for (&y, &e) in answer.iter().zip(expected) {
            assert!((f64::from(y) - f64::from(e)).abs() <= ERROR, "frame {t}: {y}, expected {e}");
        }
    }
    stream.reset();
    let mut again = vec![[0.0; OUTPUTS]; STEPS];
    stream.run(&frames, &mut again).unwrap();
    assert_eq!(again, answers); // a run has the bits of its steps
}

#[test]
fn a_clone_and_a_resumed_state_go_on() {
    let (frames, _) = golden();
    let mut stream = Stream::new();
    stream.run(&frames, &mut vec![[0.0; OUTPUTS]; STEPS]).unwrap();
    let (mut other, mut resumed) = (stream.clone(), Stream::new());
    resumed.set_state(&stream.state()).unwrap();
    let next = [&mut stream, &mut other, &mut resumed].map(|each| {
        let mut answer = [0.0; OUTPUTS];
        each.step(&frames[0], &mut answer).unwrap();
        answer
    });
    assert_eq!(next[0], next[1]);
    assert_eq!(next[0], next[2]);
}

#[test]
fn a_stream_moves_to_another_thread() {
    let (frames, expected) = golden();
    let mut stream = Stream::new();
    let answer = std::thread::spawn(move || {
        let mut answer = [0.0; OUTPUTS];
        stream.step(&frames[0], &mut answer).map(|()| answer)
    });
    let first = f64::from(answer.join().unwrap().unwrap()[0]);
    assert!((first - f64::from(expected[0][0])).abs() <= ERROR);
}

#[test]
fn what_is_wrong_is_refused() {
    let (mut frames, _) = golden();
    let mut stream = Stream::new();
    let mut answers = vec![[0.0; OUTPUTS]; STEPS];
    assert_eq!(stream.run(&frames, &mut answers[1..]), Err(Error::Room { frames: STEPS, answers: STEPS - 1 }));
    frames[1][0] = if SYMBOLS == 0 { f32::NAN as Number } else { -1.0 as Number };
    stream.step(&frames[0], &mut answers[0]).unwrap();
    let before = stream.state();
    stream.reset();
    assert_eq!(stream.run(&frames, &mut answers), Err(Error::Refused { frame: 1 }));
    assert_eq!(stream.state(), before);
    if CARRIED > 0 && STATES.iter().all(|state| state.bits == 32) {
        assert_eq!(stream.set_state(&before.map(|_| f32::NAN as _)), Err(Error::State));
        assert_eq!(stream.state(), before);
    }
}
