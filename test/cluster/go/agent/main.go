// agent runs commands in a node of the laboratory, whose network nobody else is in:
//
//	agent serve ADDRESS               in the node
//	agent run ADDRESS COMMAND...      elsewhere; input, output and exit status are the command's
package main

import (
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// frame is the one kind of message, in both directions: the fields that are set say what it means.
type frame struct {
	Command               []string
	Input, Output, Errors []byte
	InputEnded, Ended     bool
	Status                int
}

// neverRan is the exit status where there is no command's, as test/lab/boot has it.
const neverRan = 125

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		fmt.Fprintln(os.Stderr, "agent:", serve(os.Args[2]))
		os.Exit(1)
	case len(os.Args) > 3 && os.Args[1] == "run":
		os.Exit(run(os.Args[2], os.Args[3:]))
	default:
		fmt.Fprintln(os.Stderr, "usage: agent serve ADDRESS | agent run ADDRESS COMMAND...")
		os.Exit(2)
	}
}

func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go execute(connection)
	}
}

// execute runs the one command of a connection. If its caller goes away, the command is killed with all its group.
func execute(connection net.Conn) {
	defer connection.Close()
	decoder, out := gob.NewDecoder(connection), newSender(connection)
	var request frame
	if decoder.Decode(&request) != nil || len(request.Command) == 0 {
		return
	}
	command := exec.Command(request.Command[0], request.Command[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	command.Dir = "/root"
	// what the command leaves running in the background may keep its output open
	command.WaitDelay = time.Second
	command.Stdout = writer(func(data []byte) error { return out.send(frame{Output: data}) })
	command.Stderr = writer(func(data []byte) error { return out.send(frame{Errors: data}) })
	input, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		out.send(frame{Errors: []byte("agent: " + err.Error() + "\n")})
		out.send(frame{Ended: true, Status: neverRan})
		return
	}
	ended := make(chan struct{})
	go feed(decoder, input, func() {
		select {
		case <-ended:
		default:
			syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		}
	})
	command.Wait()
	close(ended)
	out.send(frame{Ended: true, Status: statusOf(command.ProcessState)})
}

// feed hands on the caller's input until the caller goes away.
func feed(decoder *gob.Decoder, input io.WriteCloser, gone func()) {
	for {
		var next frame
		if decoder.Decode(&next) != nil {
			gone()
			return
		}
		if next.InputEnded {
			input.Close()
		} else {
			input.Write(next.Input)
		}
	}
}

func statusOf(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

func run(address string, command []string) int {
	connection, err := net.DialTimeout("tcp", address, 3*time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return neverRan
	}
	out := newSender(connection)
	out.send(frame{Command: command})
	go func() {
		io.Copy(writer(func(data []byte) error { return out.send(frame{Input: data}) }), os.Stdin)
		out.send(frame{InputEnded: true})
	}()
	decoder := gob.NewDecoder(connection)
	for {
		var next frame
		if err := decoder.Decode(&next); err != nil {
			fmt.Fprintln(os.Stderr, "agent: the node went away:", err)
			return neverRan
		}
		os.Stdout.Write(next.Output)
		os.Stderr.Write(next.Errors)
		if next.Ended {
			return next.Status
		}
	}
}

type sender struct {
	mutex   sync.Mutex
	encoder *gob.Encoder
}

func newSender(connection net.Conn) *sender {
	return &sender{encoder: gob.NewEncoder(connection)}
}

func (s *sender) send(message frame) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.encoder.Encode(message)
}

type writer func([]byte) error

func (w writer) Write(data []byte) (int, error) {
	if err := w(data); err != nil {
		return 0, err
	}
	return len(data), nil
}
