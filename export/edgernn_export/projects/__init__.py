"""The folders that a graph can be written as: a model with what a tool or a language expects around it."""

from edgernn_export.projects.project import Project

PROJECTS: dict[str, Project] = {
    project.name: project
    for project in (
        Project("arduino", "edgernn_export.projects.components"),
        Project("cmake", "edgernn_export.projects.components"),
        Project("cpp", "edgernn_export.projects.bindings"),
        Project("demo", "edgernn_export.projects.demo", suffix=".wasm"),
        Project("esp-idf", "edgernn_export.projects.components"),
        Project("firmware", "edgernn_export.projects.firmware.project", needs_board=True),
        Project("go", "edgernn_export.projects.bindings"),
        Project("micropython", "edgernn_export.projects.bindings"),
        Project("platformio", "edgernn_export.projects.components"),
        Project("rust", "edgernn_export.projects.bindings"),
        Project("zephyr", "edgernn_export.projects.components"),
    )
}
"""Kind -> what writes it, imported when asked for."""
