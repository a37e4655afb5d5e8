package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/reflect/protodesc"
)

const contract = "../../../proto/csi.proto"

func TestEachKindOfChangeIsFound(t *testing.T) {
	cases := []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"comment", "// What a new volume is filled from.\n", "", nil},
		{"field number", "int64 limit_bytes = 2;", "int64 limit_bytes = 3;", []string{
			"- message_type[CapacityRange].field[limit_bytes].number = 2",
			"+ message_type[CapacityRange].field[limit_bytes].number = 3",
		}},
		{"enum number", "MODIFY_VOLUME = 14;", "MODIFY_VOLUME = 16;", []string{
			"- message_type[ControllerServiceCapability].nested_type[RPC].enum_type[Type].value[MODIFY_VOLUME].number = 14",
			"+ message_type[ControllerServiceCapability].nested_type[RPC].enum_type[Type].value[MODIFY_VOLUME].number = 16",
		}},
		{"lost secret mark", " [(csi_secret) = true]", "",
			[]string{"- message_type[CreateVolumeRequest].field[secrets].options.(csi.v1.csi_secret) = true"}},
		{"lost stream", "stream GetMetadataDeltaResponse", "GetMetadataDeltaResponse",
			[]string{"- service[SnapshotMetadata].method[GetMetadataDelta].server_streaming = true"}},
		{"go_package", "lib/go/csi\"", "lib/go/csi/v1\"", []string{
			"- options.go_package = github.com/container-storage-interface/spec/lib/go/csi",
			"+ options.go_package = github.com/container-storage-interface/spec/lib/go/csi/v1",
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := differencesAfter(t, c.old, c.new); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func differencesAfter(t *testing.T, old, new string) []string {
	t.Helper()
	text, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%q is not in %s", old, contract)
	}
	changed := filepath.Join(t.TempDir(), "csi.proto")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := compile(changed)
	if err != nil {
		t.Fatal(err)
	}
	return compare(file, protodesc.ToFileDescriptorProto(csi.File_csi_proto))
}
