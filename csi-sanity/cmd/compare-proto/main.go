// Command compare-proto compiles a CSI .proto file and compares it with the descriptor in the specification's Go module.
// Comments and the order of declarations do not count. It prints each difference and exits 1 when there is one.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compare-proto FILE.proto")
		os.Exit(2)
	}
	ours, err := compile(os.Args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "compare-proto: %v\n", err)
		os.Exit(2)
	}
	differences := compare(ours, protodesc.ToFileDescriptorProto(csi.File_csi_proto))
	for _, difference := range differences {
		fmt.Println(difference)
	}
	if len(differences) > 0 {
		fmt.Printf("%s is not the specification's contract (- the specification, + this file)\n", os.Args[1])
		os.Exit(1)
	}
	fmt.Printf("%s is the specification's contract\n", os.Args[1])
}

// compile reads the file as protoc would; of its imports only google/protobuf can be found.
func compile(path string) (*descriptorpb.FileDescriptorProto, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
			ImportPaths: []string{filepath.Dir(path)},
		}),
	}
	files, err := compiler.Compile(context.Background(), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	// The compiler keeps options under types that it makes itself; a round over the wire gives them the linked ones.
	wire, err := proto.Marshal(protodesc.ToFileDescriptorProto(files[0]))
	if err != nil {
		return nil, err
	}
	file := &descriptorpb.FileDescriptorProto{}
	return file, proto.Unmarshal(wire, file)
}
