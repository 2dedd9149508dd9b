import assert from "node:assert/strict";
import { test } from "node:test";

import { client, unique } from "./target.js";

const path = "/v1/projects/{project_identifier}";
const named = (project_identifier) => ({ params: { path: { project_identifier } } });

test("projects are created, read, changed and deleted", async () => {
  const name = unique("project");
  const made = (await client.POST("/v1/projects", { body: { name, description: "first" } })).data.data;
  assert.deepEqual({ ...made, id: "" }, { name, description: "first", id: "" });
  assert.deepEqual((await client.GET(path, named(name))).data.data, made);
  assert.deepEqual((await client.GET(path, named(made.id))).data.data, made);

  const changed = (await client.PUT(path, { ...named(made.id), body: { description: "second" } })).data.data;
  assert.deepEqual(changed, { ...made, description: "second" });

  await client.DELETE(path, named(name));
  await assert.rejects(client.GET(path, named(name)));
});

test("projects are listed by part of the name", async () => {
  const names = [unique("list-a"), unique("list-b")];
  for (const name of names) await client.POST("/v1/projects", { body: { name } });
  const query = { name_contains: names[1].toUpperCase() };
  const { data } = await client.GET("/v1/projects", { params: { query } });
  assert.deepEqual(data.data.map(({ name }) => name), names.slice(1));
  assert.equal(data.next_cursor, null);
});

test("the client learns the version it needs", async () => {
  const [major, minor] = await client.getServerVersion();
  assert.ok(major > 20 || (major === 20 && minor >= 8), `${major}.${minor} is older than 20.8`);
});
