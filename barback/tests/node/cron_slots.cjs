// Slots of cron patterns by the library that npm bullmq uses. Cases come as JSON on stdin, answers go to stdout.
const { CronExpressionParser } = require("cron-parser");

const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const slots = cases.map(({ pattern, tz, since, until }) => {
  const expression = CronExpressionParser.parse(pattern, { tz, currentDate: new Date(since * 1000) });
  const found = [];
  for (;;) {
    const at = expression.next().getTime() / 1000;
    if (at > until || found.length > 200) return found;
    found.push(at);
  }
});
process.stdout.write(JSON.stringify(slots));
