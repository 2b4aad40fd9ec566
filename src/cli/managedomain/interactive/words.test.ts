import { describe, expect, test } from "vitest";
import { completionsOf } from "./completion.ts";
import { argumentsOf, withoutCommand, wordsOf } from "./words.ts";

describe("a line of the interpreter", () => {
  test.each([
    ["print_topology", ["--print_topology"]],
    [
      'create_instance name "API Gateway 1" group=Group1 instance_management_port 8090',
      [
        "--create_instance",
        "--name=API Gateway 1",
        "--group=Group1",
        "--instance_management_port=8090",
      ],
    ],
    [
      "edit_host host gw1 is_admin port 8091",
      ["--edit_host", "--host=gw1", "--is_admin", "--port=8091"],
    ],
    ["edit_host host gw1 is_admin 1", ["--edit_host", "--host=gw1", "--is_admin=1"]],
    [
      "initialize subj_alt_name DNS.1=a.test subj_alt_name 'IP.1=10.0.0.1'",
      ["--initialize", "--subj_alt_name=DNS.1=a.test", "--subj_alt_name=IP.1=10.0.0.1"],
    ],
    ["--regen_certs --retain_domain_cert", ["--regen_certs", "--retain_domain_cert"]],
  ])("is the command line that it means: %s", (line, args) => {
    expect(argumentsOf(wordsOf(line))).toEqual(args);
  });

  test.each([
    ["creat_instance", "usage", "there is no command creat_instance"],
    ["create_instance colour red", "usage", "create_instance takes no colour"],
    ["create_instance name", "usage", "name of create_instance takes a value"],
    ["deploy group Group1", "not-supported", "deploy: archives"],
    ['create_instance name "API', "usage", "a quote is left open"],
  ])("is refused where it cannot be one: %s", (line, code, message) => {
    expect(() => argumentsOf(wordsOf(line))).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) as string }),
    );
  });
});

test("a call without a command opens the interpreter, whatever else it says", () => {
  expect(withoutCommand(["--home", "x", "--username=a"])).toEqual(["--home", "x", "--username=a"]);
  for (const arg of ["-p", "--print_topology", "--deploy", "--help", "--version", "-v"])
    expect(withoutCommand(["--home", "x", arg])).toBeNull();
});

describe("the tabulator", () => {
  const names = async () => ({
    hosts: ["anm1", "gw1"],
    groups: ["Group1"],
    instances: ["API Gateway 1"],
  });

  test.each([
    ["print", ["print_topology "]],
    ["help regen", ["regen_certs "]],
    ["delete_host h", ["host "]],
    ["delete_host host g", ["gw1 "]],
    ["create_instance group ", ["Group1 "]],
    ["delete_instance name ", ['"API Gateway 1" ']],
    ["create_instance name ", []],
    ["delete_host host gw1 hos", []],
    ["bogus ", []],
  ])("completes %j", async (line, wanted) => {
    expect((await completionsOf(line, names))[0]).toEqual(wanted);
  });
});
