"use strict";
// Comfort only: what the shapes' <title> says appears at once beside the pointer, and the command can be copied.
(() => {
  const note = document.createElement("div");
  note.className = "tip";
  note.hidden = true;
  document.body.append(note);

  const named = (target) => {
    const shape = target instanceof Element ? target.closest("svg.figure [data-tip], svg.figure :has(> title)") : null;
    if (!shape) return "";
    const title = shape.querySelector(":scope > title");
    if (title) {
      shape.setAttribute("data-tip", title.textContent);
      title.remove();
    }
    return shape.getAttribute("data-tip");
  };

  document.addEventListener("pointermove", (event) => {
    const words = named(event.target);
    note.hidden = !words;
    if (!words) return;
    note.textContent = words;
    const room = document.documentElement.clientWidth - note.offsetWidth - 8;
    note.style.left = `${Math.max(8, Math.min(event.clientX + 14, room))}px`;
    note.style.top = `${event.clientY + 18}px`;
  });

  for (const command of document.querySelectorAll("pre.command")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command.querySelector("code").textContent);
      button.textContent = "Copied";
    });
    command.append(button);
  }
})();
