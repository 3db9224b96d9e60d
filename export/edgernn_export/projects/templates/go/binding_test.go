package $module

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"strings"
	"testing"
)

const (
	steps     = $golden_steps
	tolerance = $golden_error // the largest difference that another machine may show
)

// The frames of golden.bin, and the answers that they had where the model was exported.
func golden(t *testing.T) (frames []Number, answers []float32) {
	data, err := os.ReadFile("golden.bin")
	if err != nil {
		t.Fatal(err)
	}
	frames, answers = make([]Number, steps*Inputs), make([]float32, steps*Outputs)
	reader := bytes.NewReader(data)
	for _, values := range []any{frames, answers} {
		if err := binary.Read(reader, binary.LittleEndian, values); err != nil {
			t.Fatal(err)
		}
	}
	if reader.Len() != 0 {
		t.Fatal("golden.bin is of another model")
	}
	return frames, answers
}

func bits(values []float32) []uint32 {
	all := make([]uint32, len(values))
	for i, value := range values {
		all[i] = math.Float32bits(value)
	}
	return all
}

func same(a, b []float32) bool {
	x, y := bits(a), bits(b)
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return len(x) == len(y)
}

func TestItself(t *testing.T) {
	if !SelfTest() {
		t.Error("this build computes something else than the exporter did")
	}
	if !strings.Contains(Manifest(), "edgernn.graph") {
		t.Error("the manifest is missing")
	}
	if here, there := size(); here != there {
		t.Errorf("a state has %d bytes in C and %d in Go", here, there)
	}
}

func TestAnswersAreThoseOfTheExporter(t *testing.T) {
	frames, expected := golden(t)
	stream, answers := New(), make([]float32, 0, len(expected))
	for at := 0; at < len(frames); at += Inputs {
		var answer [Outputs]float32
		if err := stream.Step((*[Inputs]Number)(frames[at:]), &answer); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer[:]...)
	}
	for i, e := range expected {
		if !(math.Abs(float64(answers[i])-float64(e)) <= tolerance) {
			t.Fatalf("answer %d: %v, expected %v", i, answers[i], e)
		}
	}
	stream.Reset()
	again := make([]float32, len(expected))
	if err := stream.Run(frames, again); err != nil || !same(again, answers) {
		t.Errorf("a run has not the bits of its steps: %v", err)
	}
}

func TestCopiesAndResumedStatesGoOn(t *testing.T) {
	frames, expected := golden(t)
	stream, resumed := New(), New()
	if err := stream.Run(frames, expected); err != nil {
		t.Fatal(err)
	}
	other := *stream
	if err := resumed.SetState(stream.State()); err != nil {
		t.Fatal(err)
	}
	var next [3][Outputs]float32
	for i, each := range []*Stream{stream, &other, resumed} {
		if err := each.Step((*[Inputs]Number)(frames), &next[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !same(next[0][:], next[1][:]) || !same(next[0][:], next[2][:]) {
		t.Error("a copy, or a resumed state, goes on in another way")
	}
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	frames, answers := golden(t)
	stream, wrong := New(), float32(math.NaN())
	if Symbols != 0 {
		wrong = -1
	}
	if err := stream.Run(frames, answers[1:]); err == nil {
		t.Error("answers without room are accepted")
	}
	if err := stream.Step((*[Inputs]Number)(frames), (*[Outputs]float32)(answers)); err != nil {
		t.Fatal(err)
	}
	before := stream.State()
	stream.Reset()
	frames[Inputs] = Number(wrong)
	if err := stream.Run(frames, answers); err != (Refused{1}) || stream.State() != before {
		t.Errorf("%v arrived for a frame that is no number of the model", err)
	}
	for i, nan := 0, math.NaN(); i < $float_states; i++ {
		invalid := before
		invalid[i] = $unit_type(nan)
		if err := stream.SetState(invalid); err != ErrState || stream.State() != before {
			t.Errorf("%v arrived for a state that is not finite", err)
		}
	}
}
