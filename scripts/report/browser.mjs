// Opens pages that photofsck has written in headless Chromium: light, dark and as wide as a phone.
//
//   browser.mjs FOLDER              the pages of `cargo run --example report_page`: looked at by axe-core, filtered, turned over by keyboard
//   browser.mjs --pictures PAGE DIR  pictures of one page: light, dark, phone
//
// Modules come from $REPORT_MODULES, the browser is $CHROMIUM.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(join(process.env.REPORT_MODULES, "package.json")));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const desk = { width: 1100, height: 1000 };
const phone = { width: 390, height: 844 };
const looks = {
  light: { viewport: desk, colorScheme: "light" },
  dark: { viewport: desk, colorScheme: "dark" },
  phone: { viewport: phone, colorScheme: "light", deviceScaleFactor: 2, hasTouch: true },
};

// Root has no sandbox of its own user to go into.
const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });

/** A page that fails when it says anything or asks for anything but itself. */
async function open(file, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const url = pathToFileURL(resolve(file)).href;
  const wrong = [];
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:image/webp;base64,")) wrong.push(`asked for ${request.url()}`);
  });
  page.on("console", (message) => wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("dialog", (dialog) => { wrong.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(url);
  return { page, wrong, close: () => context.close() };
}

async function violations(page) {
  // By the debugger, since the page's own policy lets no other script in.
  await page.evaluate(`${axe}; undefined`);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
}

async function looked(file) {
  for (const [name, options] of Object.entries(looks)) {
    const { page, wrong, close } = await open(file, options);
    assert.deepEqual(await violations(page), [], `${file}, ${name}: axe-core`);
    const [wide, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= there, `${file}, ${name}: ${wide} pixels wide on ${there}`);
    assert.deepEqual(wrong, [], `${file}, ${name}`);
    await close();
    console.log(`ok  ${file.split("/").pop()}: ${name}`);
  }
}

const status = (page) => page.locator("#status").textContent();

/** Everything by keyboard alone: to the findings, search, filter, pages. */
async function keyboard(file) {
  const { page, wrong, close } = await open(file, looks.light);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the findings");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "search");
  assert.equal(await status(page), "2,500 rows; 1 to 100 are shown");
  assert.equal(await page.locator(".row").count(), 100);
  await page.keyboard.type("img_0007 anna");
  assert.equal(await status(page), "0 of 2,500 rows");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("img_0007");
  assert.equal(await status(page), "1 of 2,500 rows");
  assert.equal(await page.locator("h3 bdi").textContent(), "IMG_0007.jpg");
  await page.locator("#clear").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.id === "search");
  assert.equal(await status(page), "2,500 rows; 1 to 100 are shown");
  await page.keyboard.press("Tab");
  await page.keyboard.type("errors");
  assert.equal(await status(page), "834 of 2,500 rows; 1 to 100 are shown");
  await page.locator("#next").focus();
  await page.keyboard.press("Enter");
  assert.equal(await status(page), "834 of 2,500 rows; 101 to 200 are shown");
  assert.equal(await page.evaluate(() => document.activeElement.id), "findings");
  await page.locator("#page").selectOption({ label: "9 of 9" });
  assert.equal(await status(page), "834 of 2,500 rows; 801 to 834 are shown");
  assert.ok(await page.locator("#next").isDisabled());
  await page.locator("[data-filter=owner]").selectOption("Ben");
  assert.match(await status(page), /^417 of 2,500 rows/);
  assert.deepEqual(wrong, []);
  await close();
  console.log("ok  search, filters and pages by keyboard");
}

/** Names are text, whatever is in them, and what would get in is kept out by the page's policy. */
async function hostile(file) {
  const { page, close, wrong } = await open(file, looks.light);
  await page.locator("#search").fill("owned");
  const names = await page.locator("h3 bdi").allTextContents();
  assert.deepEqual(names.sort(), [
    "\" onmouseover=\"document.title='owned'\" x=\".jpg",
    "'; document.title='owned'; '.jpg",
    "</script><script>document.title='owned'</script>.jpg",
    "<img src=x onerror=\"document.title='owned'\">.jpg",
  ].sort());
  for (const row of await page.locator(".row").all()) await row.hover();
  await page.locator("#search").fill("gpj.exe");
  assert.equal(await page.locator("h3 bdi").textContent(), "line\\nbreak\\u{202e}gpj.exe");
  await page.locator("#search").fill("</template>");
  assert.equal(await page.locator(".row").count(), 1);
  await page.locator("[data-filter=album]").selectOption("</template></ul><style>*{display:none}</style>.jpg");
  assert.equal(await page.locator(".row").count(), 1);
  assert.equal(await page.evaluate(() => document.querySelectorAll("script, style, img[src=x]").length), 2);
  assert.notEqual(await page.title(), "owned");
  assert.deepEqual(wrong, []);
  const blocked = await page.evaluate(async () => {
    const told = [];
    document.addEventListener("securitypolicyviolation", (event) => told.push(event.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "document.title = 'owned'";
    const style = document.createElement("style");
    style.textContent = "h1 { display: none }";
    document.head.append(script, style);
    new Image().src = "http://127.0.0.1:9/x.png";
    await fetch("http://127.0.0.1:9/").catch(() => {});
    await new Promise((done) => setTimeout(done, 100));
    return told.sort();
  });
  assert.deepEqual(blocked, ["connect-src", "img-src", "script-src-elem", "style-src-elem"]);
  assert.notEqual(await page.title(), "owned");
  await close();
  console.log("ok  hostile names are text, and nothing else gets in");
}

async function withoutScript(file) {
  const { page, wrong, close } = await open(file, { ...looks.phone, javaScriptEnabled: false });
  assert.ok(await page.locator("h1").isVisible() && await page.locator(".steps").isVisible());
  assert.equal(await page.locator(".row").count(), 100);
  assert.ok(await page.locator("#filters").isHidden() && await page.locator(".copy").first().isHidden());
  assert.deepEqual(wrong, []);
  await close();
  console.log("ok  useful without a script");
}

async function copies(file) {
  const { page, close } = await open(file, { ...looks.light, permissions: ["clipboard-read", "clipboard-write"] });
  const command = await page.locator(".command code").first().textContent();
  await page.locator(".copy").first().click();
  await page.locator(".copy", { hasText: /Copied|Selected/ }).first().waitFor();
  const got = await page.evaluate(() => navigator.clipboard.readText().catch(() => String(getSelection())));
  assert.equal(got || await page.evaluate(() => String(getSelection())), command);
  await close();
  console.log("ok  commands are copied");
}

async function pictures(file, folder) {
  const places = { light: "body", dark: "#findings", phone: ".row.repaired" };
  for (const [name, options] of Object.entries(looks)) {
    const { page, close } = await open(file, options);
    await page.evaluate((place) => document.querySelector(place).scrollIntoView(), places[name]);
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(folder, `report-${name}.png`) });
    await close();
  }
}

try {
  const [first, ...rest] = process.argv.slice(2);
  if (first === "--pictures") await pictures(...rest);
  else {
    const many = join(first, "many.html");
    for (const file of [many, join(first, "clean.html")]) await looked(file);
    for (const test of [keyboard, hostile, withoutScript, copies]) await test(many);
  }
} finally {
  await browser.close();
}
