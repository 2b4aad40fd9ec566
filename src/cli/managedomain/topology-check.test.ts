import { expect, test } from "vitest";
import { sampleAnswers } from "../../../test/support/sample-domain.ts";
import { ScriptedAdmin } from "../../../test/support/scripted-admin.ts";
import { ScriptedTerminal } from "../../../test/support/scripted-terminal.ts";
import { managedomain } from "./program.ts";

const behind = sampleAnswers.checkTopology;
const present = { version: 12, trustEpoch: 3, differences: [], admins: [], hosts: [] };

test.each([
  { looks: [present], says: [] },
  {
    looks: [behind, present],
    says: ["waiting up to 30 s for: anm3.example.com, anm4.example.com, gw2.example.com"],
  },
])(
  "--topology_synch says whom it waits for, if there is anybody: $says",
  async ({ looks, says }) => {
    const left = [...looks];
    const { open } = new ScriptedAdmin({
      synchronizeTopology: null,
      checkTopology: () => left.shift(),
    });
    const terminal = new ScriptedTerminal();
    await managedomain(open)(["--topology_synch", "--home", "/nowhere"], terminal);
    expect(terminal.lines.filter((line) => line.startsWith("waiting"))).toEqual(says);
    expect(terminal.lines.at(-1)).toBe("All hold version 12 and trust epoch 3.");
  },
);
