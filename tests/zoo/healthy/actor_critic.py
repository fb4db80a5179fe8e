"""Advantage actor-critic: hold a point mass at the origin with three thrusts; policy and value share a trunk."""

import sys

import torch
from torch import nn
from torch.distributions import Categorical


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.actor = nn.Linear(32, 3)
        self.critic = nn.Linear(32, 1)

    def forward(self, state):
        h = self.shared(state)
        return self.actor(h), self.critic(h).squeeze(-1)


class PointMass:
    """Position and velocity, both of about unit size; the reward is minus the distance from rest at the origin."""

    def __init__(self, copies: int):
        self.state = torch.randn(copies, 2)

    def step(self, action):
        position, velocity = self.state.unbind(1)
        velocity = 0.95 * velocity + 0.25 * (action - 1).float()
        position = position + 0.25 * velocity
        self.state = torch.stack([position, velocity], dim=1).clamp(-3, 3)
        return -0.1 * self.state[:, 0].abs() - 0.03 * self.state[:, 1].abs()


def evaluate(model, episodes=500, steps=40):
    env = PointMass(episodes)
    total = torch.zeros(episodes)
    with torch.no_grad():
        for _ in range(steps):
            logits, _ = model(env.state)
            total += env.step(logits.argmax(-1))
    return total.mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    gamma, copies, rollout = 0.95, 32, 8
    model = ActorCritic()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    print(f"before training: return {evaluate(model):.3f}")
    env = PointMass(copies)
    for update in range(1, 241):
        if update % 3 == 0:
            env = PointMass(copies)
        log_probs, values, rewards, entropies = [], [], [], []
        for _ in range(rollout):
            logits, value = model(env.state)
            dist = Categorical(logits=logits)
            action = dist.sample()
            rewards.append(env.step(action))
            log_probs.append(dist.log_prob(action))
            values.append(value)
            entropies.append(dist.entropy())
        with torch.no_grad():
            R = model(env.state)[1]
        returns = []
        for reward in reversed(rewards):
            R = reward + gamma * R
            returns.insert(0, R)
        returns, values = torch.stack(returns), torch.stack(values)
        advantage = (returns - values).detach()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
        actor_loss = -(torch.stack(log_probs) * advantage).mean()
        critic_loss = nn.functional.mse_loss(values, returns)
        loss = actor_loss + 0.5 * critic_loss - 0.01 * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        if update % 60 == 0:
            print(f"update {update}: actor {actor_loss.item():+.4f} critic {critic_loss.item():.4f}")
    print(f"after training: return {evaluate(model):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
