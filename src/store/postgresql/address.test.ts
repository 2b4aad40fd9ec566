import { expect, test } from "vitest";
import { parseDatabaseUrl } from "./address.ts";

test("a database URL is read with its servers, user, database and CA file", () => {
  expect(
    parseDatabaseUrl(
      "postgresql://gate%40house@db1.example:6432,[2001:db8::1],10.0.0.3/gatehouse?sslrootcert=/etc/ca.pem",
    ),
  ).toEqual({
    servers: [
      { host: "db1.example", port: 6432 },
      { host: "2001:db8::1", port: 5432 },
      { host: "10.0.0.3", port: 5432 },
    ],
    database: "gatehouse",
    user: "gate@house",
    sslMode: "verify-full",
    rootCertificateFile: "/etc/ca.pem",
  });
  expect(parseDatabaseUrl("postgres://u@/d?host=/run/postgresql&sslmode=disable")).toMatchObject({
    servers: [{ host: "/run/postgresql", port: 5432 }],
    sslMode: "disable",
  });
});

test.each([
  ["postgresql://u:secret@h/d", /must not hold a password/],
  ["postgresql://u@h", /it has to be postgresql:\/\/USER@HOST/],
  ["postgresql://h/d", /it has to be/],
  ["mysql://u@h/d", /it has to be/],
  ["postgresql://u@h:port/d", /"h:port" is not a host/],
  ["postgresql://u@a,,b/d", /"" is not a host/],
  ["postgresql://u@h/d?sslmode=prefer", /sslmode is verify-full or disable/],
  ["postgresql://u@h/d?options=-c", /the option options is not known/],
])("%s is refused in one line, and no secret is repeated", (url, message) => {
  const parse = (): unknown => parseDatabaseUrl(url);
  expect(parse).toThrow(message);
  expect(parse).not.toThrow(/secret/);
});
