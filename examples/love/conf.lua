function love.conf(t)
  t.identity = "tidegate-example"
  t.window.title = "The game goes on"
  t.modules.audio, t.modules.sound, t.modules.physics, t.modules.joystick = false, false, false, false
  if os.getenv "HEADLESS" then t.modules.window, t.modules.graphics = false, false end
end
