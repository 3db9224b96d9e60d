// Package $module: $sentence
//
//	stream := $module.New() // one carried state; use it on one goroutine at a time
//	var frame [$module.Inputs]$number_type
//	var answer [$module.Outputs]float32
//	err := stream.Step(&frame, &answer)
package $module

/*
#cgo CFLAGS: -std=c99 -O3
#cgo LDFLAGS: -lm
#include "${name}_binding.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

const (
	// Inputs is how many numbers a frame has.
	Inputs = $inputs
	// Outputs is how many numbers an answer has.
	Outputs = $outputs
	// Carried is how many elements State has.
	Carried = $carried
	// Symbols is above the index that a frame is; 0: a frame is numbers.
	Symbols = $symbols
	// Limit is the largest magnitude of a number in a frame.
	Limit = $limit
	// PeriodMs is the time between frames; 0: unknown.
	PeriodMs = $period_ms
	// FramesPerStep is how many frames a step takes at once, oldest first.
	FramesPerStep = $frames_per_step
	// DelayFrames is by how many frames an answer is late.
	DelayFrames = $delay_frames
	// WarmupFrames is how many frames pass before the first answer that counts.
	WarmupFrames = $warmup_frames
)

type (
	// Number is one of a frame; those of answers are float32.
	Number = $number_type
	// RawInput is a number of a frame inside the step.
	RawInput = $raw_x_type
	// RawOutput is a number of an answer inside the step.
	RawOutput = $raw_y_type
	// State is all states, as States says.
	State = [Carried]$unit_type
)

// Value is an input, output or state: Width elements from At on; states are counted in bytes. An integer q of the step
// stands for (q - Zero) * Scale.
type Value struct {
	Name      string
	At, Width int
	Bits      int
	Scale     float64
	Zero      int
}

// InputValues are the parts of a frame.
var InputValues = [$input_count]Value{$input_values}

// OutputValues are the parts of an answer.
var OutputValues = [$output_count]Value{$output_values}

// States are what is carried from step to step.
var States = [$state_count]Value{$state_values}

// Labels are a name for each output, or none.
var Labels = [$label_count]string{$labels}

// Refused says which frame of a block must not enter the state: it is not finite, beyond Limit, or no index below
// Symbols. The state is that before it.
type Refused struct{ Frame int }

func (e Refused) Error() string {
	return fmt.Sprintf("frame %d must not enter the state, which is that before it", e.Frame)
}

// ErrState is a state with numbers that no state holds; the stream is unchanged.
var ErrState = errors.New("a state that is not finite, or too large, arrived")

// Stream is one carried state. A copy of the struct is a stream of its own.
type Stream struct{ state C.${prefix}_state }

// New returns a stream with the initial states.
func New() *Stream {
	stream := new(Stream)
	stream.Reset()
	return stream
}

// Reset sets the initial states.
func (s *Stream) Reset() { C.${prefix}_reset(&s.state) }

// Step takes one frame.
func (s *Stream) Step(frame *[Inputs]Number, answer *[Outputs]float32) error {
	if C.${prefix}_step_numbers(&s.state, (*C.$number)(&frame[0]), (*C.float)(&answer[0])) != 0 {
		return Refused{0}
	}
	return nil
}

// StepRaw takes one frame of what the step itself computes with: integers, where the model has them.
func (s *Stream) StepRaw(frame *[Inputs]RawInput, answer *[Outputs]RawOutput) error {
	if C.${prefix}_step(&s.state, (*C.$raw_x)(&frame[0]), (*C.$raw_y)(&answer[0])) != 0 {
		return Refused{0}
	}
	return nil
}

// Run takes frames one after another, up to the first that is refused.
func (s *Stream) Run(frames []Number, answers []float32) error {
	steps := len(frames) / Inputs
	if len(frames) != steps*Inputs || len(answers) != steps*Outputs {
		return fmt.Errorf("%d numbers and room for %d answers arrived; expected %d and %d for each frame",
			len(frames), len(answers), Inputs, Outputs)
	}
	if steps == 0 {
		return nil
	}
	xs, ys := (*C.$number)(&frames[0]), (*C.float)(&answers[0])
	if done := int(C.${prefix}_run_numbers(&s.state, xs, ys, C.size_t(steps))); done < steps {
		return Refused{done}
	}
	return nil
}

// Prime loads code, weights and state into the caches, shortly before a frame is due. Only scratch changes.
func (s *Stream) Prime(scratch *Stream) { C.${prefix}_prime(&s.state, &scratch.state) }

// State returns a copy of all states.
func (s *Stream) State() State {
	var carried [Carried + 1]$unit_type // one more: a model may have none
	C.${prefix}_get(&s.state, (*C.$unit)(&carried[0]))
	var copied State
	copy(copied[:], carried[:])
	return copied
}

// SetState goes on from a copy.
func (s *Stream) SetState(state State) error {
	var carried [Carried + 1]$unit_type
	copy(carried[:], state[:])
	if C.${prefix}_restore(&s.state, (*C.$unit)(&carried[0])) != 0 {
		return ErrState
	}
	return nil
}

// Manifest returns the manifest of the model, as JSON.
func Manifest() string { return C.GoString(C.${prefix}_about()) }

// SelfTest tells whether this build computes what the exporter did.
func SelfTest() bool { return C.${prefix}_self_test() == 0 }

// The bytes that a stream takes in C, which are those of its struct here.
func size() (uintptr, uintptr) { return uintptr(C.${prefix}_size()), unsafe.Sizeof(Stream{}) }
