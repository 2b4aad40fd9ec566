import { expect, test } from "vitest";
import { ScriptedTerminal } from "../../../../test/support/scripted-terminal.ts";
import { runMenu } from "./menu.ts";
import { menuOptions } from "./menu-table.ts";

/** Runs the menu with these answers; resolves with the command lines that it ran, and what it showed. */
async function choose(...answers: readonly string[]) {
  const terminal = new ScriptedTerminal([...answers, "", "q"]);
  const ran: string[] = [];
  const context = { terminal, options: {}, json: false, openAdmin: async () => null as never };
  await runMenu(context as never, async (line) => {
    ran.push(line().join(" "));
    return 0;
  });
  return { ran, text: terminal.text };
}

test("the menu has the documented options under their numbers", async () => {
  expect(menuOptions.map(({ number }) => number)).toEqual(
    Array.from({ length: 26 }, (_, i) => i + 1),
  );
  const { text } = await choose("13");
  expect(text).toContain("  24) Regenerate SSL certificates on localhost");
  expect(text).toContain("Completed successfully.");
  expect(text).toContain("with truststore None");
});

test.each([
  ["13", [], "--print_topology"],
  ["3", ["gw1"], "--delete_host --host=gw1"],
  [
    "5",
    ["GW1", "Group1", "", "8090", "", "of it"],
    "--create_instance --name=GW1 --group=Group1 --instance_management_port=8090 --passphrase=of it",
  ],
  ["23", ["Group1", ""], "--change_passphrase --group=Group1"],
  ["2", ["gw1", "", "", "", "yes"], "--edit_host --host=gw1 --is_admin"],
  ["8", ["GW1", "Group1", "zone", "a"], "--add_tag --name=GW1 --group=Group1 --tag=zone --value=a"],
  ["24", ["yes"], "--regen_certs"],
  ["24", ["no", ""], "--regen_certs --retain_domain_cert"],
  [
    "24",
    ["no", "nodemanager-1 instance-2"],
    "--regen_certs --retain_domain_cert --process=nodemanager-1 --process=instance-2",
  ],
  ["1", ["yes", "anm1", "", "8091", "1"], "--initialize --host=anm1 --port=8091"],
  [
    "1",
    ["no", "gw1", "", "", "anm1", "no", "2", "test.p12", "foo"],
    "--add --host=gw1 --anm_host=anm1 --sign_with_user_provided --ca=test.p12 --domain_passphrase=foo",
  ],
  ["26", ["cert.pem"], "--submit_cert --cert=cert.pem"],
])("option %s with %j runs %s", async (number, answers, line) => {
  expect((await choose(number, ...answers)).ran).toEqual([line]);
});

test("option 4 changes whom the commands after it call, and as whom", async () => {
  const { ran, text } = await choose("4", "anm2", "", "bob", "", "", "14");
  expect(ran).toEqual(["--topology_check --anm_host=anm2 --username=bob"]);
  expect(text).toContain("Currently connecting as user bob to anm2 with truststore None");
  const local = await choose("4", "anm2", "", "bob", "", "", "17");
  expect(local.ran).toEqual(["--reset"]);
});

test("what is not in this version is said, and nothing is run", async () => {
  for (const number of ["18", "22", "99"]) {
    const { ran, text } = await choose(number, ...(number === "99" ? ["13"] : []));
    expect(ran).toHaveLength(number === "99" ? 1 : 0);
    expect(text).toMatch(/^! /m);
  }
});
