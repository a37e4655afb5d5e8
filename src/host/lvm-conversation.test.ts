import { PassThrough } from "node:stream";
import { expect, test } from "@jest/globals";
import { createLvmConversation } from "./lvm-conversation.ts";

function converse() {
  const commands = new PassThrough();
  const reports = new PassThrough();
  return { commands, reports, conversation: createLvmConversation(commands, reports, () => "lvm has ended") };
}

test("a command goes out as one line, its report comes back", async () => {
  const { commands, reports, conversation } = converse();
  const answer = conversation.execute("lvs -o lv_name");
  reports.write('{"log":');
  reports.write("[]}\n");
  await expect(answer).resolves.toEqual({ log: [] });
  expect(String(commands.read())).toBe("lvs -o lv_name\n");
});

test("a report to nobody is not taken for the next command's", async () => {
  const { reports, conversation } = converse();
  reports.write('{"stray":1}\n{"half":');
  await new Promise(setImmediate);
  reports.write("1}");
  await new Promise(setImmediate);
  const answer = conversation.execute("vgs");
  reports.write('{"mine":1}');
  await expect(answer).resolves.toEqual({ mine: 1 });
});

test("the command at work and all later ones fail with EPIPE when the process ends", async () => {
  const { reports, conversation } = converse();
  const answer = conversation.execute("vgs");
  reports.write('{"log":[');
  reports.destroy();
  await expect(answer).rejects.toMatchObject({ code: "EPIPE", message: "lvm has ended" });
  await expect(conversation.execute("vgs")).rejects.toMatchObject({ code: "EPIPE" });
});

test("what is not JSON is EPROTO, and the next command is answered", async () => {
  const { reports, conversation } = converse();
  const answer = conversation.execute("vgs");
  reports.write('{"log":[{},]}');
  await expect(answer).rejects.toMatchObject({ code: "EPROTO" });
  const next = conversation.execute("vgs");
  reports.write("{}");
  await expect(next).resolves.toEqual({});
});

test("one command at a time, and one line each", async () => {
  const { reports, conversation } = converse();
  const answer = conversation.execute("vgs");
  await expect(conversation.execute("lvs")).rejects.toMatchObject({ code: "EBUSY" });
  reports.write("{}");
  await answer;
  await expect(conversation.execute("lvs\nlvremove -f vg0")).rejects.toMatchObject({ code: "EINVAL" });
});

test("after the end no command is taken", async () => {
  const { commands, conversation } = converse();
  conversation.end();
  expect(commands.writableEnded).toBe(true);
  await expect(conversation.execute("vgs")).rejects.toMatchObject({ code: "EPIPE" });
});
