import { expect, test } from "vitest";
import { driverDescription } from "../../test/support/driver-description.ts";
import { memberAt } from "./member-at.ts";

const other = { id: "prc-0000000000000002" as never, name: "two", address: "10.0.0.2", pair: null };

test("a member has its variables and those of the others resolved, defaults filled in", async () => {
  const description = await driverDescription("stunnel");
  const member = memberAt(
    {
      name: "one",
      description,
      variables: { folder: "/srv/one", port: 465 },
      others: [{ ...other, variables: { folder: "/srv/two", port: 466 } }],
    },
    [],
  );
  expect(member.description.folder).toBe("/srv/one");
  expect(member.values).toMatchObject({ port: "465", host: "127.0.0.1" });
  expect(member.others).toMatchObject([
    { name: "two", address: "10.0.0.2", values: { port: "466" } },
  ]);
});

test("a member whose description was changed into a wrong one is refused", async () => {
  const description = { ...(await driverDescription("stunnel")), files: [] };
  const wanted = { name: "one", description, variables: {}, others: [] };
  expect(() => memberAt(wanted, [])).toThrow(expect.objectContaining({ code: "invalid-input" }));
});
