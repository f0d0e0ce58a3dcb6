// Light, dark, or as the system has it. Runs before the page is drawn, so that nothing flashes; and before the page's
// own script, so that somebody says so where that can't be loaded.
{
  const key = "mien.theme";
  const show = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  let chosen = "auto";
  try {
    chosen = localStorage.getItem(key) ?? "auto";
  } catch {
    // a browser that stores nothing: the choice lasts as long as the page
  }
  show(chosen);
  document.addEventListener(
    "error",
    ({ target }) => {
      if (target.tagName !== "SCRIPT") return;
      const said = () => {
        const problem = document.getElementById("problem");
        problem.textContent = "The page couldn't be loaded whole. Is mien serve still running? Then load it again.";
        problem.hidden = false;
      };
      if (document.getElementById("problem")) said();
      else document.addEventListener("DOMContentLoaded", said);
    },
    true, // it doesn't bubble
  );
  document.addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll("#theme input")) {
      radio.checked = radio.value === chosen;
      radio.addEventListener("change", () => {
        show(radio.value);
        try {
          localStorage.setItem(key, radio.value);
        } catch {
          // as above
        }
      });
    }
  });
}
