package main

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// asProgram has the test binary be the controller.
const asProgram = "WAXWING_TEST_AS_CONTROLLER"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestAReaderThatIsGoneDoesNotEndTheProgram has nobody read standard output, as after a crash of the log pipeline that takes --audit-stdout.
func TestAReaderThatIsGoneDoesNotEndTheProgram(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "--version")
	program.Env = append(os.Environ(), asProgram+"=1")
	program.Stdout = write
	var exit *exec.ExitError
	// It says that it could not write, which is an ordinary end.
	if err := program.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the write did not just fail: %v", err)
	}
}
