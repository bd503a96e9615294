import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createConnection } from "mysql2/promise";
import { RECIPES } from "./start-recipe.js";

/** Creates a database with the tables of the recipe, and returns its URL. */
export async function createMysqlDatabase(server: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  const connection = await createConnection({ uri: server, multipleStatements: true });
  await connection.query(`CREATE DATABASE ${name}; USE ${name};`);
  await connection.query(await readFile(join(RECIPES, "mysql/tables.sql"), "utf8"));
  await connection.end();
  return `${server}/${name}`;
}
