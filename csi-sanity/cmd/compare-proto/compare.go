package main

import (
	"fmt"
	"sort"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// compare returns a line for each fact that only one of the two files states: "-" the specification, "+" ours.
func compare(ours, specification *descriptorpb.FileDescriptorProto) []string {
	left, right := facts(specification), facts(ours)
	lines := append(only("- ", left, right), only("+ ", right, left)...)
	sort.Slice(lines, func(i, j int) bool { return lines[i][2:] < lines[j][2:] })
	return lines
}

func only(mark string, here, there map[string]bool) []string {
	var lines []string
	for fact := range here {
		if !there[fact] {
			lines = append(lines, mark+fact)
		}
	}
	return lines
}

// facts flattens a descriptor into lines such as `message_type[Volume].field[volume_id].number = 2`.
func facts(file *descriptorpb.FileDescriptorProto) map[string]bool {
	found := map[string]bool{}
	file.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		// The file's own name is where it happens to stand.
		if field.Name() != "name" && field.Name() != "source_code_info" {
			flatten(string(field.Name()), field, value, found)
		}
		return true
	})
	return found
}

func flatten(path string, field protoreflect.FieldDescriptor, value protoreflect.Value, found map[string]bool) {
	if !field.IsList() {
		flattenOne(path, field, value, found)
		return
	}
	for i := 0; i < value.List().Len(); i++ {
		element := value.List().Get(i)
		flattenOne(fmt.Sprintf("%s[%s]", path, key(field, element, i)), field, element, found)
	}
}

func flattenOne(path string, field protoreflect.FieldDescriptor, value protoreflect.Value, found map[string]bool) {
	if field.Message() == nil {
		found[fmt.Sprintf("%s = %v", path, value.Interface())] = true
		return
	}
	message := value.Message()
	if unknown := message.GetUnknown(); len(unknown) > 0 {
		found[fmt.Sprintf("%s has options that the specification does not define: %x", path, []byte(unknown))] = true
	}
	message.Range(func(inner protoreflect.FieldDescriptor, innerValue protoreflect.Value) bool {
		name := string(inner.Name())
		if inner.IsExtension() {
			name = "(" + string(inner.FullName()) + ")"
		}
		flatten(path+"."+name, inner, innerValue, found)
		return true
	})
}

// key names an element of a list: by its own name, so that the order of declarations does not count, else by its place.
func key(field protoreflect.FieldDescriptor, element protoreflect.Value, place int) string {
	if field.Message() != nil {
		if name := field.Message().Fields().ByName("name"); name != nil && !name.IsList() {
			return element.Message().Get(name).String()
		}
	}
	return fmt.Sprint(place)
}
