import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type BrowserContext, chromium as browsers, type Page } from "playwright-core";

const PROGRAM = "/usr/bin/chromium";

/** Debian's Chromium. */
export const chromium = (): string | null =>
  fs.existsSync(PROGRAM) ? null : `needs Chromium as ${PROGRAM} (Debian's package chromium)`;

export interface Opened {
  readonly page: Page;
  /** Messages of the console and errors that nobody caught: a good page has none. */
  readonly complaints: string[];
  /** Requests for anything but the page itself. */
  readonly requests: string[];
}

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser of its own, with a profile of its own, gone with {@link close}. */
export class Chromium {
  readonly #directory: string;
  readonly #context: BrowserContext;

  constructor(directory: string, context: BrowserContext) {
    this.#directory = directory;
    this.#context = context;
  }

  static async start(timezoneId = "America/New_York"): Promise<Chromium> {
    const directory = await mkdtemp(path.join(os.tmpdir(), "plimsoll-test-chromium-"));
    const settings = {
      executablePath: PROGRAM,
      headless: true,
      args: ARGUMENTS,
      timezoneId,
      timeout: 60_000,
    };
    const context = await browsers.launchPersistentContext(path.join(directory, "profile"), settings);
    return new Chromium(directory, context);
  }

  /** Loads the HTML from a file, as a user does, and waits until its charts are set up. */
  async open(html: string, colorScheme: "light" | "dark", widthPx = 1280): Promise<Opened> {
    const file = path.join(this.#directory, "report.html");
    fs.writeFileSync(file, html);
    const page = await this.#context.newPage();
    page.setDefaultTimeout(30_000);
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      if (request.url() !== `file://${file}`) requests.push(request.url());
    });
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: widthPx, height: 900 });
    await page.goto(`file://${file}`);
    return { page, complaints, requests };
  }

  async close(): Promise<void> {
    await this.#context.close();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
