import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { shippedDriver, shippedDrivers } from "./shipped.ts";

test("every description that comes with Gatehouse is read, under the name of its file", async () => {
  const names = await shippedDrivers();
  expect(names).toEqual(expect.arrayContaining(["haproxy", "nginx"]));
  for (const name of names) expect((await shippedDriver(name)).name).toBe(name);
});

test("a driver that does not come with Gatehouse is answered with those that do", async () => {
  await expect(shippedDriver("../package")).rejects.toMatchObject({
    code: "not-found",
    message: expect.stringContaining("haproxy, mosquitto, nats, nginx") as string,
  });
});

test("the example of the page about adding a driver is the driver that is tried with the real server", async () => {
  const page = await readFile("docs/adding-a-driver.md", "utf8");
  const [, example] = /^```yaml\n([^]*?)^```$/m.exec(page) ?? [];
  expect(example).toBe(await readFile("examples/stunnel/driver.yaml", "utf8"));
});
